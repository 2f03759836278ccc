"""Runs the DAG as often as it is told, in one process: Airflow takes five seconds to start. `.venv-airflow` runs this.

Each line of standard input is a JSON object, how to run; each line of standard output says how it ended. Airflow's log
goes to standard error.
"""

import json
import os
import sys
from datetime import timedelta
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

SECOND = timedelta(seconds=1)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    dags = DagBag()
    assert not dags.import_errors, dags.import_errors
    dag = dags.dags["top_twenty"]
    for line in sys.stdin:
        prepare(dag, **json.loads(line))
        run = dag.test()
        answers.write(json.dumps({"run": run.run_id, "state": run.state}) + "\n")


def prepare(dag: Any, *, connection: str, shortened: bool) -> None:
    """`connection`: another than the stored one. `shortened`: waits and retries last a second at most."""
    os.environ.pop("AIRFLOW_CONN_TOP_TWENTY", None)
    if connection:
        os.environ["AIRFLOW_CONN_TOP_TWENTY"] = connection
    names = dag.get_task("refresh").operator_class.wait.__globals__
    names["TimeDeltaTrigger"] = (lambda wait: TimeDeltaTrigger(min(wait, SECOND))) if shortened else TimeDeltaTrigger
    dag.get_task("due").retry_delay = SECOND if shortened else timedelta(minutes=1)


if __name__ == "__main__":
    main()
