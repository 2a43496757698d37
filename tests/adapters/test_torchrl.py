"""TorchRL wraps our PettingZoo environments and learns on them."""

import pytest
from adapters.cases import small

pytest.importorskip("torchrl", reason="comes with no extra: pip install torchrl")

import torch
from tensordict.nn import TensorDictModule
from torchrl.envs import check_env_specs
from torchrl.envs.libs.pettingzoo import PettingZooWrapper
from torchrl.modules import MultiAgentMLP, NormalParamExtractor, ProbabilisticActor, TanhNormal
from torchrl.objectives import ClipPPOLoss, ValueEstimators

from jaxvec.adapters.pettingzoo import Parallel, TurnBased

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
KEYS = {"observation": ("vehicle", "observation"), "action": ("vehicle", "action")}


def network(inputs, outputs, agents, central):
    return MultiAgentMLP(inputs, outputs, agents, centralized=central, share_params=True, depth=1, num_cells=32)


def test_an_iteration_of_its_mappo():
    """One network for all vehicles, a central critic, an episode, and a step of clipped PPO down the gradient."""
    torch.manual_seed(0)
    env, params = small("isac_iov", horizon=20)
    zoo = PettingZooWrapper(Parallel(env, params), seed=1)
    check_env_specs(zoo)
    n, width = env.n_vehicles, zoo.action_spec["vehicle", "action"].shape[-1]
    size = env.observation_space["vehicle"].shape[0]
    mean = torch.nn.Sequential(network(size, 2 * width, n, False), NormalParamExtractor())
    module = TensorDictModule(mean, in_keys=[KEYS["observation"]], out_keys=[("vehicle", "loc"), ("vehicle", "scale")])
    actor = ProbabilisticActor(
        module,
        spec=zoo.full_action_spec_unbatched,
        in_keys=[("vehicle", "loc"), ("vehicle", "scale")],
        out_keys=[KEYS["action"]],
        distribution_class=TanhNormal,
        return_log_prob=True,
        log_prob_key=("vehicle", "log_prob"),
    )
    critic = TensorDictModule(
        network(size, 1, n, True), in_keys=[KEYS["observation"]], out_keys=[("vehicle", "state_value")]
    )
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.01)
    loss.set_keys(
        reward=("vehicle", "reward"),
        action=KEYS["action"],
        sample_log_prob=("vehicle", "log_prob"),
        value=("vehicle", "state_value"),
        done=("vehicle", "done"),
        terminated=("vehicle", "terminated"),
    )
    loss.make_value_estimator(ValueEstimators.GAE, gamma=0.9, lmbda=0.9)
    with torch.no_grad():
        episode = zoo.rollout(env.horizon, actor)
    assert episode.batch_size == (env.horizon,)
    assert episode["next", "vehicle", "truncated"][-1].all()
    with torch.no_grad():
        loss.value_estimator(
            episode, params=loss.critic_network_params, target_params=loss.target_critic_network_params
        )
    optimiser, before = torch.optim.Adam(loss.parameters(), 1e-3), [x.clone() for x in loss.parameters()]
    values = loss(episode)
    total = values["loss_objective"] + values["loss_critic"] + values["loss_entropy"]
    total.backward()
    optimiser.step()
    assert torch.isfinite(total)
    assert any(not torch.equal(x, y) for x, y in zip(before, loss.parameters(), strict=True))


def test_it_reads_our_masks_and_our_turns():
    env, params = small("twin_migration", "turns", n_vehicles=3)
    zoo = PettingZooWrapper(Parallel(env, params, actions="discrete"), use_mask=True, seed=1)
    episode = zoo.rollout(env.horizon)
    mask, chosen = episode["vehicle", "action_mask"], episode["vehicle", "action"]
    assert mask.gather(-1, chosen[..., None]).all()
    assert not mask.all()
    turns = PettingZooWrapper(TurnBased(env, params, actions="discrete"), use_mask=True, seed=1)
    episode = turns.rollout(3 * env.horizon)
    acting = torch.stack([episode[f"vehicle_{i}", "mask"] for i in range(3)], -1)
    assert (acting.sum(-1) == 1).all()
