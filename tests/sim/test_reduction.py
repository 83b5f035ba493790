"""Reduction of failing random networks: with a planted bug, what is left is the smallest network that has it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

import numpy as np
import pytest

from macaw.compiler.graph import Add, Concat, Convolution, MaxPool
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.scripts import random_networks
from macaw.scripts.random_networks import NetworkFailure, main
from macaw.sim import golden_network, trial
from macaw.sim.golden_network import GoldenNetwork
from macaw.sim.network_recipe import Recipe, grow, recipe_of
from macaw.sim.reduction import engine_steps, network_steps, plan_steps, reduce_trial
from macaw.sim.trial import Trial, load_trial, random_packed_trials, random_trials, save_trial

Fails = Callable[[Trial], bool]


def _first(packed: bool, fails: Fails, layers: int = 3) -> Trial:
    """The first random trial of at least so many nodes that fails."""
    draw = random_packed_trials if packed else random_trials
    drawn = chain.from_iterable(draw(seed, 6) for seed in count(1))
    return next(found for found in drawn if len(found.graph.nodes) >= layers and fails(found))


def _with(kind: type, test: Callable[..., bool]) -> Fails:
    """A bug of nodes of one kind."""
    return lambda tried: any(isinstance(node, kind) and test(node) for node in tried.graph.nodes)


PLANTED: dict[str, tuple[bool, Fails, tuple[int, int, int], list[type], tuple[int, int, int]]] = {
    # Few bits or bytes, what fails; then what must be left: input, nodes, engine (p, m, n).
    "strided depthwise layers": (
        False, lambda tried: tried.config.p > 2 and _with(Convolution, lambda n: n.groups > 1 and n.stride[0] > 1)(tried),
        (1, 1, 2), [Convolution], (3, 1, 1),
    ),
    "pools padded on the right": (False, _with(MaxPool, lambda n: n.padding[3] > 0), (1, 1, 1), [MaxPool], (1, 1, 1)),
    "additions": (False, _with(Add, lambda n: True), (1, 1, 1), [Add], (1, 1, 1)),
    "joined maps": (False, _with(Concat, lambda n: len(n.inputs) > 1), (1, 1, 1), [Concat], (1, 1, 1)),
    "wide kernels": (
        True, lambda tried: tried.config.m > 1 and _with(Convolution, lambda n: n.weights.shape[2] == 3)(tried),
        (1, 3, 1), [Convolution], (1, 2, 1),
    ),
    "padded layers of bits": (
        True, _with(Convolution, lambda n: n.weight_format == "binary" and n.padding[0] > 0), (1, 1, 1), [Convolution], (1, 1, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_left_is_minimal(name: str) -> None:
    packed, fails, shape, kinds, array = PLANTED[name]
    first = _first(packed, fails)
    reduction = reduce_trial(first, fails)
    left = reduction.trial
    assert reduction.complete and fails(left) and left.legal
    assert left.graph.tensors["map0"].shape == shape
    assert [type(node) for node in left.graph.nodes] == kinds
    config = left.config
    assert (config.p, config.m, config.n) == array and config.depth == 1 and config.logic_dots == 0
    assert not (left.turned or left.folding or left.in_place or left.tile_rows)
    # No step leads further, and the same search ends in the same place.
    for kind in (network_steps, plan_steps, engine_steps):
        assert not [description for description, smaller in kind(left) if smaller.legal and fails(smaller)]
    again = reduce_trial(first, fails)
    assert again.steps == reduction.steps and recipe_of(again.trial.graph).to_dict() == recipe_of(left.graph).to_dict()


@pytest.mark.parametrize("packed", [False, True])
def test_recipes_and_files_are_whole(packed: bool, tmp_path: Path) -> None:
    """A network grown from its recipe, or from a file, is the network that was drawn."""
    for seed in (1, 2, 5):
        for number, drawn in enumerate((random_packed_trials if packed else random_trials)(seed, 5)):
            assert drawn.legal
            recipe = recipe_of(drawn.graph).to_dict()
            assert recipe_of(grow(Recipe.from_dict(recipe))).to_dict() == recipe
            path = tmp_path / f"{seed}-{number}.json"
            save_trial(drawn, path)
            loaded = load_trial(path)
            assert recipe_of(loaded.graph).to_dict() == recipe and (loaded.values == drawn.values).all()
            assert loaded.config == drawn.config and loaded.folding == drawn.folding and loaded.turned == drawn.turned
            assert {name: tensor.shape for name, tensor in loaded.graph.tensors.items()} == {
                name: tensor.shape for name, tensor in drawn.graph.tensors.items()
            }


def _wrong_pool(*arguments: object, **keywords: object) -> np.ndarray:
    """A pool that is one off in its last column where a window is 2 wide."""
    pooled = RIGHT_POOL(*arguments, **keywords)  # type: ignore[arg-type]
    if arguments[1][1] == 2:  # type: ignore[index]
        pooled = pooled.copy()
        pooled[:, :, -1] ^= 1
    return pooled


RIGHT_POOL = golden_network.max_pool


def _golden(tried: Trial) -> np.ndarray:
    return GoldenNetwork(tried.plain, requantize(tried.plain, tried.config)).run(tried.values)[tried.graph.output]


def test_a_bug_of_the_golden_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in values, not in the network's form."""

    def fails(tried: Trial) -> bool:
        right = _golden(tried)
        with monkeypatch.context() as patch:
            patch.setattr(golden_network, "max_pool", _wrong_pool)
            return bool((_golden(tried) != right).any())

    pooling = _with(MaxPool, lambda n: n.kernel[1] == 2)
    left = reduce_trial(_first(False, lambda tried: pooling(tried) and fails(tried)), fails).trial
    (node,) = left.graph.nodes
    assert isinstance(node, MaxPool) and node.kernel == (1, 2) and left.values.size <= 2


SMALL = EngineConfig(
    p=2, m=2, n=1, feature_depth=16384, weight_depth=65536, program_depth=2048, tap_depth=512, extent_width=6, accumulator_width=26,
    multiplier_width=34, shifts=(12, 20, 28, 36), prefetch=False,
)  # fmt: skip


@pytest.mark.slow
def test_command_reduces_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """RTL against a wrong golden model: the failure is found, reduced and repeated from its file."""
    pooling = _with(MaxPool, lambda n: n.kernel[1] == 2)
    seed = next(seed for seed in count(1) if pooling(random_trials(seed, 1, config=SMALL)[0]))
    monkeypatch.setattr(random_networks, "random_trials", lambda seed, *_, **__: random_trials(seed, 1, config=SMALL))
    monkeypatch.setattr(golden_network, "max_pool", _wrong_pool)
    assert main(["--engines", "1", "--seed", str(seed), "--keep", str(tmp_path), "--seconds", "600"]) == 1
    path = tmp_path / f"failure-{seed}.json"
    left = load_trial(path)
    (node,) = left.graph.nodes
    assert isinstance(node, MaxPool) and node.kernel == (1, 2) and left.values.size <= 2
    assert (left.config.p, left.config.m, left.config.n) == (1, 1, 1)
    assert f"--again {path}" in capsys.readouterr().err.replace("\\[", "[")
    assert main(["--again", str(path)]) == 1
    monkeypatch.setattr(golden_network, "max_pool", RIGHT_POOL)
    assert main(["--again", str(path)]) == 0


def test_errors_of_the_compiler_are_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash has the place where it was raised as its kind, and is reduced as any difference is."""

    class Refusing:
        def core(self, config: object) -> object:
            class Core:
                def __enter__(self) -> Core:
                    return self

                def __exit__(self, *_: object) -> None: ...

            return Core()

    def crashing(core: object, tried: Trial) -> None:
        if any(isinstance(node, Concat) for node in tried.graph.nodes):
            recipe_of(trial.grow(Recipe.from_dict({})))

    runner = random_networks.TrialRunner(tmp_path)
    monkeypatch.setattr(runner, "core", Refusing().core)
    monkeypatch.setattr(random_networks, "run_trial", crashing)
    failing = _first(False, lambda tried: runner.failure(tried) is not None)
    failure = runner.failure(failing)
    assert isinstance(failure, NetworkFailure) and failure.kind == "KeyError in network_recipe.from_dict"
    left = reduce_trial(failing, lambda tried: runner.failure(tried) is not None).trial
    assert [type(node) for node in left.graph.nodes] == [Concat]


def test_no_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("{}")
    assert main(["--again", str(tmp_path / "a.json")]) == 2
    assert "holds no trial of a random network" in capsys.readouterr().err
    assert main(["--again", str(tmp_path / "b.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
