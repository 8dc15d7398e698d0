"""What ``/scim/v2/Schemas`` publishes: the attributes that we store, and no others."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from scim2_models import (
    AnyExtension,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Extension,
    Filter,
    Mutability,
    Pagination,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    Returned,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
    default_comparison_key,
)
from scim2_models.urn import URN

MOST_OPERATIONS, LARGEST_BULK = 1000, 4 * 1024 * 1024
LARGEST_PAGE = 1000
CORE = "urn:ietf:params:scim:schemas:core:2.0:"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


# A common attribute, which is part of every schema; listed, since Entra looks for what it maps in /Schemas.
ExternalId = Annotated[str | None, Mutability.read_write, Returned.default, CaseExact.true, Uniqueness.server]


class Name(ComplexAttribute):
    """The parts of a person's name."""

    family_name: str | None = None
    given_name: str | None = None


class Email(ComplexAttribute):
    """One e-mail address. A plain text, since providers clear it with an empty one."""

    value: str | None = None
    type: str | None = Field(None, examples=["work", "home", "other"])
    primary: bool | None = None


class User(Resource[AnyExtension]):
    """A person."""

    __schema__ = URN(f"{CORE}User")

    external_id: ExternalId = None
    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    title: str | None = None
    locale: str | None = Field(None, examples=["en-GB", "en-US", "de-DE", "fr-FR"])
    timezone: str | None = Field(None, examples=["UTC", "Europe/London", "America/New_York", "Asia/Tokyo"])
    active: bool | None = None
    emails: list[Email] | None = None


def _as_manager(value: Any) -> Any:
    """Read the forms in which providers send a manager: an object (maybe in a list), a bare id, empty for none."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, str):
        return {"value": value} if value else None
    if isinstance(value, dict) and not value.get("value"):
        return None
    return value


class Manager(ComplexAttribute):
    """Whom a person reports to."""

    value: Annotated[str | None, Required.true, CaseExact.true] = None
    ref: Reference["User"] | None = Field(  # type: ignore[type-arg]  # by its name
        None, serialization_alias="$ref", validation_alias="$ref"
    )


class EnterpriseUser(Extension):
    """What an organisation says of its people beside the core."""

    __schema__ = URN(ENTERPRISE)

    employee_number: str | None = None
    cost_center: str | None = None
    organization: str | None = None
    division: str | None = None
    department: str | None = None
    manager: Annotated[Manager | None, BeforeValidator(_as_manager)] = None


class Member(ComplexAttribute):
    """One person in a group, and what they are called here."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(  # type: ignore[type-arg]  # by its name
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    display: Annotated[str | None, Mutability.read_only, Returned.request] = None


class Group(Resource[Any]):
    """A team."""

    __schema__ = URN(f"{CORE}Group")

    external_id: ExternalId = None
    display_name: Annotated[str | None, Required.true, Uniqueness.server] = None
    members: list[Member] | None = None


CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=True, max_operations=MOST_OPERATIONS, max_payload_size=LARGEST_BULK),
    filter=Filter(supported=True, max_results=LARGEST_PAGE),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=True),
    etag=ETag(supported=True),
    pagination=Pagination(
        cursor=True,
        index=True,
        default_pagination_method=Pagination.DefaultPaginationMethod.index,
        default_page_size=100,
        max_page_size=LARGEST_PAGE,
    ),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer key",
            description="The key of a client with the scopes scim:read and scim:write.",
            primary=True,
        ),
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauth2,
            name="OAuth 2.0 client credentials",
            description="A token of /oauth/token, for the client's id and one of its keys (RFC 6749, section 4.4).",
        ),
    ],
)


def comparison_key(binding: Any, value: str) -> str:
    """Return a text as it is compared: as the library does, and a sigma at the end of a word as any other sigma.

    So that SQL can do the same, which looks at one character at a time.
    """
    key = default_comparison_key(binding, value)
    return key if binding.case_exact else key.replace("\u03c2", "\u03c3")


# What identity providers send beyond the standard, and mean well: attributes that we do not store, a removal that names
# its values, an addition where the filter of the path finds nothing.
TOLERANT = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
POLICY = TOLERANT.model_copy(update={"comparison_key": comparison_key})
PROVIDER = ScimProvider(
    models=[User, EnterpriseUser, Group],
    resource_types=[ResourceType.from_resource(User[EnterpriseUser]), ResourceType.from_resource(Group)],
    config=CONFIG,
    policy=POLICY,
)
USER, GROUP = PROVIDER.resource_types
USERS: Any = PROVIDER.model_for(USER)
GROUPS: Any = PROVIDER.model_for(GROUP)
