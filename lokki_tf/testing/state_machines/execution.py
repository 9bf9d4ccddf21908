"""One execution of a state machine, as it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Timer

from lokki_tf.testing.state_machines.failures import StateFailure, Stopped, guarded
from lokki_tf.testing.state_machines.frame import Frame
from lokki_tf.testing.state_machines.history import DETAILS
from lokki_tf.testing.state_machines.interpreter import run_states
from lokki_tf.testing.state_machines.limits import EXPRESS_SECONDS
from lokki_tf.testing.state_machines.record import ExecutionRecord
from lokki_tf.testing.state_machines.statuses import ABORTED, FAILED, SUCCEEDED
from lokki_tf.testing.state_machines.values import Json, load, moment_text
from lokki_tf.testing.state_machines.variables import Budget, Variables


@dataclass
class Execution(ExecutionRecord):
    """An execution whose states are run by the interpreter."""

    def run(self) -> None:
        """Run to the end in the calling thread."""
        attempt = self.attempt
        if self.is_express:
            self.start_date = datetime.now(UTC)
        value = load(self.input_text)
        frame = self.frame(value)
        timer = self._timer()
        if self.redrive_count:
            frame.last_event = self.redriven
        else:
            frame.event(
                "ExecutionStarted",
                input=self.input_text,
                inputDetails=DETAILS,
                roleArn=self.role_arn,
            )
        ending: dict[str, str | None] = {}
        try:
            guarded(run_states, self.definition, value, frame)
            ending["output_text"] = frame.text
            status = SUCCEEDED
        except StateFailure as failure:
            status, ending = FAILED, dict(failure.details)
        except Stopped:  # stop() and time_out() have usually recorded the status already
            status = ABORTED
        finally:
            frame.cancel_scope.close()
            if timer is not None:
                timer.cancel()
        self.end(status, frame.last_event, attempt=attempt, **ending)

    def _timer(self) -> Timer | None:
        seconds = EXPRESS_SECONDS if self.is_express else self.definition.get("TimeoutSeconds")
        if seconds is None:
            return None
        timer = Timer(seconds, self.time_out)
        timer.daemon = True
        timer.start()
        return timer

    def frame(self, value: Json) -> Frame:
        """Return the frame of the execution's states, with its input."""
        context = {
            "Execution": {
                "Id": self.arn,
                "Input": value,
                "Name": self.name,
                "RoleArn": self.role_arn,
                "StartTime": moment_text(self.start_date),
                **({} if self.is_express else {"RedriveCount": self.redrive_count}),
            },
            "StateMachine": {"Id": self.state_machine_arn, "Name": self.state_machine_name},
        }
        variables = Variables(Budget())
        return Frame(
            self.settings,
            self.history,
            variables,
            context,
            self.cancel_scope,
            self,
            run_states,
            self.progress,
        )
