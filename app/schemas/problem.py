"""What a refusal looks like on the wire: RFC 9457, with a ``code`` that programs can rely on."""

from pydantic import BaseModel, ConfigDict, Field


class ProblemError(BaseModel):
    """One fault in a request, and where it is."""

    pointer: str = Field(
        description="Where: a JSON Pointer into the body, `?name` for a query parameter, `header:name` for a header."
    )
    code: str = Field(description="The kind of fault, as a stable word in lower_snake.")
    detail: str = Field(description="What is wrong, for a person to read. Never repeats the value that was sent.")


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). Decide by `code`, show `detail`, tolerate members not listed here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:ballast:problem:invalid",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "The request is not valid.",
                    "instance": "/v1/employees",
                    "code": "invalid",
                    "errors": [
                        {"pointer": "/display_name", "code": "missing", "detail": "Field required"},
                    ],
                }
            ]
        }
    )

    type: str = Field(description="URI that names the kind of problem: `urn:ballast:problem:` and the `code`.")
    title: str = Field(description="The kind of problem in a few words; the same for every occurrence.")
    status: int = Field(description="The HTTP status of this response.", ge=400, le=599)
    detail: str = Field(description="What went wrong this time, for a person to read.")
    instance: str = Field(
        description="Where it happened: the path of the operation, with names of parameters in place of their values."
    )
    code: str = Field(
        description="The reason, as a stable word for programs. New ones may appear: fall back on `status`."
    )
    # Left out when empty, so that only a refusal with faults to list carries the member.
    errors: list[ProblemError] = Field(
        default_factory=list,
        exclude_if=lambda errors: not errors,
        description="Every fault that was found in the request, where the form of the request is the problem.",
    )
