"""The doorbell of the exports."""

from celery import shared_task

from dreamland.backoffice.exports import make_exports


@shared_task(name="backoffice.make_exports")
def make_exports_task() -> None:
    """Makes the files that wait. Twice makes each once; a lost message is made up for by the next tick."""
    make_exports()
