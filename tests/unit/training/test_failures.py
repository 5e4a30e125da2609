"""What a failed run is told as, from the errors that Ray Train hands over."""

from __future__ import annotations

import pickle

import pytest
from ray.exceptions import RayActorError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

from cirray.errors import ArtifactError, CirrayError, ConfigError, StorageError, TrainingError
from cirray.training.failures import GiveUp, InterruptedRunError, told

OWN = [
    TrainingError("The loss is nan.", hint="Lower it."),
    ConfigError("The batch is too large."),
    StorageError("The bucket is gone."),
    ArtifactError("The dataset is corrupt."),
]


def give_up() -> GiveUp:
    return GiveUp(3, lambda: None, lambda text: None)


def failed(*causes: Exception) -> WorkerGroupError:
    return WorkerGroupError("told at length", dict(enumerate(causes)))


@pytest.mark.parametrize("own", OWN)
def test_an_error_of_cirray_comes_out_as_itself(own: CirrayError) -> None:
    wrapped = UserExceptionWithTraceback(own, "Traceback (most recent call last): …")
    chained = RuntimeError("in between")
    chained.__cause__ = own
    for error in (
        failed(own),
        failed(wrapped),
        failed(RuntimeError("connection closed by peer"), wrapped),
        failed(chained),
        ControllerError(own),
        ControllerError(ControllerError(own)),
    ):
        assert told(error) is own
    again = told(pickle.loads(pickle.dumps(failed(own))))
    assert (type(again), str(again)) == (type(own), str(own))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (failed(AssertionError()), "Training failed: AssertionError(). Run"),
        (
            failed(RuntimeError("CUDA out of memory.\nCompile with TORCH_USE_CUDA_DSA\n")),
            "RuntimeError: CUDA out of memory. Run",
        ),
        (
            failed(UserExceptionWithTraceback(ValueError("too long"), "Traceback …")),
            "failed: ValueError: too long. Run",
        ),
        (failed(KeyError("b"), KeyError("a"), KeyError("a")), "failed: KeyError: 'a'; KeyError: 'b'. Run"),
        (ControllerError(OSError("no such folder")), "failed: OSError: no such folder. Run"),
    ],
)
def test_any_other_error_is_told_by_its_first_line(error: Exception, says: str) -> None:
    result = told(error)
    assert type(result) is InterruptedRunError
    assert says in str(result)
    assert result.hint


@pytest.mark.parametrize("own", OWN)
def test_a_run_ends_at_an_error_that_would_come_again(own: CirrayError) -> None:
    failures: dict[int, Exception] = {0: RuntimeError("connection closed"), 1: own}
    if isinstance(own, StorageError):
        give_up().after_exception(None, failures)
        return
    with pytest.raises(type(own)) as caught:
        give_up().after_exception(None, failures)
    assert caught.value is own


def test_a_run_goes_on_after_anything_else() -> None:
    said: list[str] = []
    GiveUp(3, lambda: None, said.append).after_exception(
        None, {0: RuntimeError("connection closed"), 1: MemoryError()}
    )
    assert said == [
        "workers [0, 1] failed (MemoryError(); RuntimeError: connection closed); going on from the last checkpoint"
    ]


def test_only_failures_without_a_new_checkpoint_in_between_are_counted() -> None:
    reached = ["a"]
    judge = GiveUp(1, lambda: reached[0], lambda text: None)
    died = {1: RuntimeError("gone")}
    for name in ("a", "b", "c"):
        reached[0] = name
        judge.after_exception(None, dict(died))
    with pytest.raises(InterruptedRunError, match=r"died 2 times in a row.*RuntimeError: gone"):
        judge.after_exception(None, dict(died))


def test_where_the_store_does_not_answer_a_failure_is_one_without_progress() -> None:
    def silent() -> str | None:
        raise StorageError("no answer")

    judge = GiveUp(1, silent, lambda text: None)
    judge.after_exception(None, {0: RuntimeError("gone")})
    with pytest.raises(InterruptedRunError, match="2 times in a row"):
        judge.after_exception(None, {0: RuntimeError("gone")})


def test_nodes_that_are_taken_away_with_notice_are_not_counted() -> None:
    judge = GiveUp(0, lambda: None, lambda text: None)
    preempted = RayActorError(preempted=True)
    for _ in range(3):
        judge.after_exception(None, {0: preempted, 1: RuntimeError("connection closed")})
