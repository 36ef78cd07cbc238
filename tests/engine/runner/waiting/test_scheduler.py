"""Who may start: no GPU has two owners, nothing is overtaken for ever."""

import random

import pytest

from engine.runner.waiting.scheduler import DeviceRequest, FreeDevice, Machine, Waiter, decide, impossible

GB = 10**9
WHOLE = FreeDevice(24 * GB, 24 * GB)


def machine(*rooms: FreeDevice, lanes: int = 1) -> Machine:
    return Machine({str(number): room for number, room in enumerate(rooms)}, lanes)


def test_any_free_gpu_does() -> None:
    busy = WHOLE._replace(closed="busy: run a", users=1)
    assert decide(DeviceRequest(gpus=1), [], machine(busy, WHOLE)).gpus == ("1",)
    assert not decide(DeviceRequest(gpus=("0",)), [], machine(busy, WHOLE)).may_start
    assert not decide(DeviceRequest(gpus=2), [], machine(busy, WHOLE)).may_start


def test_an_earlier_one_is_served_first() -> None:
    decision = decide(DeviceRequest(cpu=True), [Waiter("first", DeviceRequest(cpu=True))], machine())
    assert decision == (False, (), "first")
    assert decide(DeviceRequest(gpus=1), [Waiter("first", DeviceRequest(cpu=True))], machine(WHOLE)).may_start


def test_one_that_needs_two_is_not_overtaken_by_those_that_need_one() -> None:
    busy = WHOLE._replace(closed="busy: run a", users=1)
    two = Waiter("two", DeviceRequest(gpus=2))
    assert decide(DeviceRequest(gpus=1), [two], machine(busy, WHOLE)).behind == "two"


def test_one_that_waits_for_another_gpu_is_passed() -> None:
    busy = WHOLE._replace(closed="busy: run a", users=1)
    assert decide(DeviceRequest(gpus=1), [Waiter("other", DeviceRequest(gpus=("0",)))], machine(busy, WHOLE)).gpus == (
        "1",
    )


def test_budgets_share_a_gpu_up_to_its_memory() -> None:
    some = DeviceRequest(gpus=1, memory=10 * GB)
    assert decide(some, [], machine(WHOLE.after(10 * GB), WHOLE)).gpus == ("0",)  # fills it up first
    full = WHOLE.after(10 * GB).after(10 * GB)
    assert not decide(some, [], machine(full)).may_start
    assert not decide(DeviceRequest(gpus=1), [], machine(WHOLE.after(10 * GB))).may_start  # that one wants it whole


def test_the_choice_can_be_limited() -> None:
    assert decide(DeviceRequest(gpus=1, among=("1",)), [], machine(WHOLE, WHOLE)).gpus == ("1",)


@pytest.mark.parametrize(
    ("wants", "words"),
    [
        (DeviceRequest(gpus=("7",)), "there is no GPU 7 here (there are GPU 0, GPU 1)"),
        (DeviceRequest(gpus=3), "it needs 3 GPUs and there are 2 GPUs"),
        (
            DeviceRequest(gpus=2, among=("1",)),
            "it needs 2 GPUs and there are 2 GPUs, of which CUDA_VISIBLE_DEVICES lets it use 1",
        ),
        (DeviceRequest(gpus=1, memory=30 * GB), "no GPU that it may use has 30.0 GB"),
        (DeviceRequest(gpus=2, memory=GB), ""),
    ],
)
def test_what_can_never_be_is_told(wants: DeviceRequest, words: str) -> None:
    assert impossible(wants, {"0": 24 * GB, "1": 24 * GB}) == words


class World:
    """Runs that come, wait, are moved, held, cancelled, compute, fail and end in any order.

    Each decides for itself, as a runner does.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.totals = {str(number): self.random.choice((0, 8, 24)) * GB for number in range(self.random.randint(0, 4))}
        self.lanes = self.random.randint(1, 3)
        self.runs = [self._run(number) for number in range(self.random.randint(2, 12))]
        self.parents = {
            number: self.random.sample(range(number), self.random.choice((0, 0, 0, min(1, number), min(2, number))))
            for number in range(len(self.runs))
        }
        self.places = {number: (-self.random.choice((0, 0, 0, 5)), float(number)) for number in range(len(self.runs))}
        self.held: set[int] = set()
        self.failed: set[int] = set()
        self.arrived: list[int] = []
        self.running: dict[int, tuple[str, ...]] = {}
        self.done: list[int] = []
        self.foreign: set[str] = set()
        self.passed: dict[int, int] = {}

    def _run(self, number: int) -> DeviceRequest:
        kinds = [DeviceRequest(cpu=True), DeviceRequest()]
        if self.totals:
            names = tuple(self.random.sample(list(self.totals), self.random.randint(1, len(self.totals))))
            memory = self.random.choice((0, 0, 3 * GB, 7 * GB))
            kinds += [
                DeviceRequest(gpus=self.random.randint(1, len(self.totals)), memory=memory),
                DeviceRequest(gpus=names, memory=memory, cpu=self.random.random() < 0.2),
                DeviceRequest(gpus=1, among=names),
            ]
        return self.random.choice(kinds)

    def machine(self) -> Machine:
        rooms = {name: FreeDevice(total, total) for name, total in self.totals.items()}
        lanes = self.lanes
        for number, gpus in self.running.items():
            lanes -= self.runs[number].cpu
            for name in gpus:
                rooms[name] = rooms[name].after(self.runs[number].memory)
        for name in self.foreign:
            rooms[name] = rooms[name]._replace(closed="busy: pid 4711, not ours")
        return Machine(rooms, lanes)

    def line(self) -> list[int]:
        """Those in line, by priority and place: their parents have succeeded, and nobody holds them."""
        ready = [n for n in self.arrived if n not in self.held and self._succeeded(self.parents[n])]
        return sorted(ready, key=self.places.__getitem__)

    def _succeeded(self, numbers: list[int]) -> bool:
        return set(numbers) <= set(self.done) - self.failed

    def look(self, number: int) -> bool:
        """One runner looks whether it is its turn."""
        if number not in (line := self.line()):
            return False
        earlier = [Waiter(str(other), self.runs[other]) for other in line[: line.index(number)]]
        decision = decide(self.runs[number], earlier, self.machine())
        if decision.may_start:
            self._check_start(number, decision.gpus)
            self.arrived.remove(number)
            self.running[number] = decision.gpus
        return decision.may_start

    def _check_start(self, number: int, gpus: tuple[str, ...]) -> None:
        wants = self.runs[number]
        assert self._succeeded(self.parents[number]), "a child before its parent"
        assert number not in self.held
        assert len(set(gpus)) == wants.number
        assert not self.foreign & set(gpus), "a GPU of somebody else's"
        assert sum(self.runs[other].cpu for other in self.running) + wants.cpu <= self.lanes
        for name in gpus:
            there = [self.runs[other] for other, taken in self.running.items() if name in taken]
            if there:
                assert wants.memory, "two owners"
                assert all(other.memory for other in there), "two owners"
                assert sum(other.memory for other in there) + wants.memory <= self.totals[name], "too much memory"

    def step(self) -> None:
        coming = [
            n for n in range(len(self.runs)) if n not in self.arrived and n not in self.running and n not in self.done
        ]
        what = self.random.random()
        if coming and what < 0.3:
            number = coming[0]
            if impossible(self.runs[number], self.totals):
                self._end(number, is_failure=True)  # refused
            else:
                self.arrived.append(number)
        elif self.running and what < 0.5:
            self._end(self.random.choice(list(self.running)), is_failure=self.random.random() < 0.1)
        elif self.totals and what < 0.55:
            self.foreign ^= {self.random.choice(list(self.totals))}
            self.foreign -= {name for taken in self.running.values() for name in taken}
        elif self.arrived and what < 0.62:
            self._change(self.random.choice(self.arrived))
        elif self.arrived:
            self.look(self.random.choice(self.arrived))
        self._fail_children()

    def _change(self, number: int) -> None:
        """What people do to one that waits."""
        match self.random.choice(("move", "hold", "release", "cancel")):
            case "move":
                self.places[number] = (self.places[number][0], self.random.uniform(-1, len(self.runs)))
            case "hold":
                self.held.add(number)
            case "release":
                self.held.discard(number)
            case _:
                self._end(number, is_failure=True)

    def _end(self, number: int, *, is_failure: bool) -> None:
        self.running.pop(number, None)
        if number in self.arrived:
            self.arrived.remove(number)
        self.done.append(number)
        if is_failure:
            self.failed.add(number)

    def _fail_children(self) -> None:
        for number in [n for n in self.arrived if self.failed & set(self.parents[n])]:
            self._end(number, is_failure=True)

    def finish(self) -> None:
        """Nobody else computes and nothing is held any more: all must get their turn, whatever else is done to them."""
        for _ in range(30):
            self.step()
        for _ in range(20 * len(self.runs)):
            if len(self.done) == len(self.runs):
                return
            self.step()
            self.foreign.clear()
            self.held.clear()
            for number in list(self.arrived):
                self.look(number)
            if self.running:
                self._end(self.random.choice(list(self.running)), is_failure=False)
        raise AssertionError(f"starved: {sorted(self.arrived)} of {self.runs}")


@pytest.mark.parametrize("schedules", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_random_schedules_have_one_owner_per_device_parents_first_and_no_starvation(schedules: int) -> None:
    started = 0
    for seed in range(schedules):
        world = World(seed)
        try:
            world.finish()
        except AssertionError as error:
            raise AssertionError(f"schedule {seed}: {error}") from error
        started += len(set(world.done) - world.failed)
    assert started > 4 * schedules, "most runs of most schedules do run"


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_needs_everything_gets_its_turn_while_small_ones_keep_coming(seed: int) -> None:
    """Small runs never stop coming; the large one waits no longer than for those that were there before it."""
    chance = random.Random(seed)
    totals = {str(number): WHOLE for number in range(4)}
    running = {str(number): chance.randint(1, 5) for number in range(4)}
    line = [Waiter("large", DeviceRequest(gpus=4))]
    for _ in range(20):
        line.append(Waiter("small", DeviceRequest(gpus=1)))
        rooms = {name: room._replace(closed="busy") if name in running else room for name, room in totals.items()}
        for place, waiter in enumerate(line):
            decision = decide(waiter.wants, line[:place], Machine(rooms, 0))
            if decision.may_start:
                assert waiter.name == "large", "overtaken"
                return
        running = {name: left - 1 for name, left in running.items() if left > 1}
    raise AssertionError("it starved")
