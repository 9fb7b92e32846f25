"""What the OpenAPI document cannot say, for Schemathesis."""

import schemathesis


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Puts an event type that exists into valid requests: each account has a catalogue of its own."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if is_valid and isinstance(case.body, dict) and "event" in case.body:
        case.body["event"] = "contact_created"
