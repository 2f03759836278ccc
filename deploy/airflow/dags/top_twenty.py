"""Refreshes the listeners of a Top Twenty site who are due. For Airflow 3; the site's docs/OPERATIONS.md says more.

The connection `top_twenty` says where the site is (schema, host, port); its password is the site's REFRESH_TOKEN.
Airflow learns of each listener an opaque number, and how the refresh ended. A run fails if one of its refreshes did.
"""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

# Every worker has it: Airflow's tasks talk to its API server with it. A provider for HTTP is one package more.
import httpx
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import Asset, BaseOperator, Connection, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

logger = logging.getLogger(__name__)

CONNECTION = "top_twenty"
CHARTS = Asset("top_twenty_charts")

# How long a run waits for the site or Spotify in all, from its start; a later run takes up who is left.
PATIENCE = timedelta(minutes=15)
# Seconds until the next try: where the site does not say, and at the least.
USUAL_WAIT, LEAST_WAIT = 60, 5


def ask(method: str, path: str) -> httpx.Response:
    """The site's answer, whatever its status but 401; raises httpx.TransportError where there is none."""
    site = Connection.get(CONNECTION)
    port = f":{site.port}" if site.port else ""
    answer = httpx.request(
        method,
        f"{site.schema or 'https'}://{site.host}{port}{path}",
        headers={"Authorization": f"Bearer {site.password}"},
        timeout=60,
    )
    if answer.status_code == 401:
        raise AirflowFailException(
            f"The site refused the token: make the password of the connection {CONNECTION} the site's REFRESH_TOKEN."
        )
    return answer


def said(answer: httpx.Response, name: str) -> Any:
    """A field of the site's JSON; None where there is none, such as on a proxy's page."""
    try:
        return answer.json().get(name)
    except (ValueError, AttributeError):
        return None


def is_for_later(answer: httpx.Response) -> bool:
    """Whether to ask again. A refresh that `failed` is a 503 too, but waiting does not help it."""
    return answer.status_code == 429 or (answer.status_code >= 500 and said(answer, "outcome") != "failed")


def give_up(answer: httpx.Response) -> NoReturn:
    """Fails without another try, with the sentence of a refresh that failed: it holds nothing of a person."""
    reason = f"Do schema, host and port of the connection {CONNECTION} lead to the site?"
    if said(answer, "outcome"):
        reason = said(answer, "error")
    raise AirflowFailException(f"The site answered with status {answer.status_code}. {reason}")


class Refresh(BaseOperator):
    """Refreshes one listener; returns how that ended: refreshed, unchanged, or with nothing to do busy or too_soon."""

    def __init__(self, *, listener: str, **options: Any) -> None:
        super().__init__(**options)
        self.listener = listener

    def execute(self, context: Any, event: object = None) -> str:
        answer = ask("POST", f"/refresh?listener={self.listener}")
        if is_for_later(answer):
            self.wait(answer, until=context["dag_run"].start_date + PATIENCE)
        if answer.status_code == 404:
            raise AirflowSkipException(f"Listener {self.listener} has left the site.")
        if answer.status_code == 409:
            raise AirflowFailException(
                f"Spotify no longer accepts the sign-in of listener {self.listener}. Only a new one by that person, on "
                "the site, helps; until then the site does not call them due."
            )
        if answer.status_code != 200:
            give_up(answer)
        return str(said(answer, "outcome"))

    def wait(self, answer: httpx.Response, *, until: datetime) -> NoReturn:
        """Leaves the worker for as long as Retry-After says, then begins anew; fails if that is too long."""
        asked = answer.headers.get("Retry-After", "")
        wait = timedelta(seconds=max(int(asked) if asked.isdecimal() else USUAL_WAIT, LEAST_WAIT))
        if datetime.now(UTC) + wait > until:
            raise AirflowFailException(
                f"The site wants to be asked again in {wait}, and this run does not wait that long. A later one takes "
                f"listener {self.listener} up. If it goes on, the site's /admin/ says why, under Refresh runs."
            )
        logger.info("The site wants to be asked again in %s.", wait)
        # Nothing to carry over: the run's start bounds the waits.
        raise TaskDeferred(trigger=TimeDeltaTrigger(wait), method_name="execute")


@dag(
    # A run with nobody due is one request. Once an hour would pass over whoever is due a minute later, for an hour.
    schedule="*/10 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    # For what nobody foresaw, such as a site that cannot be reached: asking twice does no harm.
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=2)},
    doc_md=__doc__,
)
def top_twenty() -> None:
    @task.short_circuit
    def due() -> list[str]:
        """The numbers of the listeners who are due; if nobody is, the rest of the run is skipped."""
        answer = ask("GET", "/due.json")
        if is_for_later(answer):
            raise RuntimeError(f"The site answered with status {answer.status_code}; Airflow tries again.")
        if answer.status_code != 200:
            give_up(answer)
        return [one["listener"] for one in answer.json()["due"]]

    @task(trigger_rule="all_done", outlets=[CHARTS])
    def tell_others(outcomes: Any, outlet_events: Any = None) -> None:
        """Emits the asset if a chart changed, whatever became of the others."""
        changed = outcomes[:].count("refreshed")
        if not changed:
            raise AirflowSkipException("No chart changed.")
        outlet_events[CHARTS].extra = {"changed": changed}

    @task(trigger_rule="all_done", multiple_outputs=False)
    def sum_up(outcomes: Any, ti: Any = None) -> dict[str, int]:
        """How many refreshes ended how; fails, and with it the run, if one failed."""
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=["refresh"], run_ids=[ti.run_id])[ti.run_id].values()
        ended = Counter("left the site" if state == "skipped" else "failed" for state in states if state != "success")
        counts = Counter(outcomes[:]) + ended
        told = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        if counts["failed"]:
            raise AirflowFailException(f"{told}. The log of each refresh that failed says what to do.")
        logger.info(told)
        return dict(counts)

    refresh = Refresh.partial(task_id="refresh", max_active_tis_per_dagrun=4).expand(listener=due())
    tell_others(refresh.output)
    sum_up(refresh.output)


top_twenty()
