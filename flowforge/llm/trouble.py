"""What the model service says when a call came to nothing."""

from flowforge.core.errors import Broken, Reason, Refused, Temporary


class Unbooked(Temporary):
    """A call was made and could not be booked: its reservation is booked at its worst when it expires.

    Asking again at once would pay twice, so the job comes back later.
    """


def too_long(error: Temporary) -> Refused:
    return Refused(
        Reason.MODEL_UNAVAILABLE,
        f"the job has waited for the model for as long as it may: {error.sentence}",
        next_action="resolve it by hand, or retry the job once the model answers; model_outage_hours is how long",
    )


def cut_off(provider: str, why: str) -> Temporary:
    return Temporary(
        Reason.MODEL_UNAVAILABLE,
        f"the answer of the model provider {provider!r} broke off{': ' if why else ''}{why}",
        delay=2.0,
        next_action="nothing: the job asks again later; if it lasts, look at the provider's status page",
    )


def no_contract(provider: str, error: Exception) -> Broken:
    return Broken(
        Reason.PLUGIN_FAILED,
        f"the model provider {provider!r} failed: {type(error).__name__}: {error}",
        next_action="report this to the plugin's author, or choose another provider",
    )
