"""Who may do what: exports, erasures, and how long what is kept. The officer runs them and reads nothing of it."""

from app.models import DataExport, RetentionRule
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, DATA_PROTECTION_OFFICER, PROGRAMME_LEAD, SELF

POLICY: Policy = {
    ("personal_data", "read"): rule(None, ANYONE),
    ("data_export", "read"): rule(None, SELF, DATA_PROTECTION_OFFICER),
    ("data_export", "open"): rule(None, SELF),
    ("employee", "export"): rule(None, DATA_PROTECTION_OFFICER),
    ("employee", "erase"): rule(None, DATA_PROTECTION_OFFICER, on_active=False),
    # Everyone may know how long what is kept of them.
    ("retention_rule", "read"): rule(None, ANYONE),
    ("retention_rule", "update"): rule(None, DATA_PROTECTION_OFFICER, PROGRAMME_LEAD),
}

MODELS: Models = {
    "data_export": (DataExport, DataExport.__table__.c.employee_id),
    "retention_rule": (RetentionRule, None),
}
