"""`urllc_vec`: an edge network of vehicles, UAVs and base stations with short packets and a delayed twin (quantum-DRL paper).

Vehicles cut a task a slot into subtasks and send each to a UAV or a base station (BS), a "node". Nodes work at them, shared by
priority, as far as they are willing to, and send the rest on, a few times at most; what is not done stays as a backlog. All
agents decide at once: a vehicle its targets, powers, split and priorities, a node its power, speed, budget and where to
forward. A twin in the cloud hears of everything some slots late. All earn the team's reward (63), the sum over the groups of
their mean own rewards (64) to (68), with incentives and penalties (90) to (92); or each its own, or a mixture (`reward_mix`).
Constraints C1 to C20 are reported as rates. The horizon truncates.

"(n)" is equation n of the paper. Where the paper is silent or contradicts itself:

- data are in bits: in bytes, its Table III would need 79 bit/s/Hz;
- powers are 30 dBm, 10 dBW and 0 dBW, noise is -90 dBm, and path loss is a loss: only this has Table III's 120 dB;
- panels of 25 and 14 dB, because that operating point exists only 110 m from a server, and the map is 3 km wide;
- line of sight to UAVs depends on their height (TR 36.777); `los_air="paper"` has the terrestrial formula;
- a link is usable if its estimated rate at full power is 10 Mbit/s; who has none gets the best;
- the deviation of processors is real, correlated over slots and bounded; energy per cycle grows with the square of the speed,
  because otherwise the fastest would always be best;
- processors are shared by priority; `cpu_share="none"` is the literal (5), where everybody has all of it;
- priorities in rewards have equal coefficients, so that an agent cannot choose what it is judged by;
- the paper trains agents on their own rewards and compares them by the team's. That is a dilemma: who computes slower or sends on
  more saves itself energy and costs others latency, so that learners walk down in what they are compared by. Here what is
  trained is what is compared, and the game of own rewards is the preset `own_rewards`;
- QoS needs energy in joules and latency in seconds for its bound of 60; 200 counts as 100;
- the energy budget of a vehicle is per second, 10 mJ a slot; rewards are in units of targets and budgets;
- the twin is three slots late: without a delay there is nothing to forecast.

With recorded traffic (`mobility="trace"`) vehicles drive in the plane, and come and go; otherwise a number says how many are
there (`present`). Whoever is absent has no task and no links, is seen by nobody, and is in no mean or sum.

Extensions by configuration: another twin, channel knowledge, mobility, processors and energies, Table III's path losses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, Options, first_timestep
from jaxvec.core.observation import Layout
from jaxvec.core.params import preset
from jaxvec.core.presence import mean_of_present, of_present
from jaxvec.core.spaces import ActionSpace, Box, Discrete, Space
from jaxvec.core.types import Observation, Timestep
from jaxvec.envs import mobility
from jaxvec.envs.channel import area_m, blank_channel, sites_m, with_channel
from jaxvec.envs.places import misplaced
from jaxvec.envs.urllc_vec.info import INFO, measure
from jaxvec.envs.urllc_vec.next_slot import advance, start
from jaxvec.envs.urllc_vec.observation import feature_blocks, features, layout, observe, options
from jaxvec.envs.urllc_vec.params import GROUPS, Params, Sizes, State, split_nodes
from jaxvec.envs.urllc_vec.score import score_nodes, score_vehicles
from jaxvec.envs.urllc_vec.slot import (
    available_hz,
    decode,
    prepare,
    process,
    remaining,
    route,
    sent,
    upload,
)
from jaxvec.envs.world import places_m, read_worlds, settings_in
from jaxvec.physics import fading
from jaxvec.physics.mobility import grid_xy
from jaxvec.traces import Places, World, moved

NORMAL = ("z_vb", "z_cpu", "z_task")  # draws that are standard normal; all others are uniform


@dataclass(frozen=True)
class UrllcVec(Sizes, Environment):
    """Vehicles, UAVs and base stations; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle, 8 + 5N + 3J + V entries (98), of a UAV or BS, 10 + 2V + 4N (82), and `Observation.world` (F + VN):
    see `jaxvec.envs.urllc_vec.observation`.

    Actions: of a vehicle `target` (J,), `power` (J,), `split` (J,) and `priority` (3,); of a node `forward`, `power`,
    `frequency`, `admit`; numbers in [0, 1]. Masks are the usable links; a node that reaches nobody may forward to itself,
    and keeps all.
    """

    id: ClassVar[str] = "urllc_vec"
    params_cls: ClassVar[type] = Params
    discount: ClassVar[float] = 0.5  # slots are all but apart (the paper has 0.99)
    whole_world: ClassVar[bool] = False
    jumps = frozenset({"uav/admit", "bs/admit"})
    takeover: ClassVar[bool] = True  # recorded vehicles that enter take places that were left
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "base": preset("eight vehicles on the map of Table II"),
        "sparse": preset("hardly any vehicles", n_vehicles=2),
        "dense": preset("many vehicles", n_vehicles=20),
        "paper_1mb": preset(
            "few vehicles with the largest tasks of the paper, 1 Mbit in ten subtasks",
            n_vehicles=2,
            n_subtasks=10,
            task_min_bits=1e6,
            task_max_bits=1e6,
        ),
        "literal_gains": preset(
            "antennas without gain, as the paper has none", antenna_gain_bs_db=0.0, antenna_gain_uav_db=0.0
        ),
        "own_rewards": preset("each agent learns from its own reward, as in the paper: a Nash game", reward_mix=0.0),
    }

    @classmethod
    def settings_of_world(cls, world: Any, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """BSs at the places; x and y from the middle of the area, over which UAVs fly.

        Raises:
            RecordError: the world cannot be used, or has too few places or vehicles.
        """

        def of_one(world: World, n: int) -> dict[str, Any]:
            corners_m = np.asarray(world.corners_m, float)
            middle_m, half_m = corners_m.mean(0), float(np.max(corners_m[1] - corners_m[0])) / 2
            return {
                "trace": moved(world.trace, *-middle_m),
                "bs_pos_m": places_m(world, n) - middle_m,
                **dict.fromkeys(("bs_xy_m", "uav_xy_m", "veh_xy_m"), half_m),
            }

        return settings_in(cls, read_worlds(world), chosen, "n_bs", of_one)

    def default_params(self, **numbers: Any) -> Params:
        """The paper's numbers, and what recorded traffic and a path loss by table need; the shipped recording crosses the middle
        of the map.

        Raises:
            RecordError: the recording cannot be used, or never has `n_vehicles` on the map at once for an episode.
        """
        params = mobility.with_recording(self, Params(**numbers), (-350.0, 0.0))
        return with_channel(self, params, self.pathloss_v2b, "uma_los_fixed")

    def places(self, params: Params) -> Places:
        """The BSs, with their antennas' height in path losses, and the square of the vehicles.

        Args:
            params: the numbers.
        """
        at_m = grid_xy(self.n_bs, params.bs_xy_m) if params.bs_pos_m is None else params.bs_pos_m
        x_m, y_m = np.moveaxis(np.asarray(at_m, float), 1, 0)
        half_m = params.veh_xy_m
        return Places(
            site_m=sites_m(x_m, y_m, params.bs_antenna_height_m),
            corners_m=area_m(params, (-half_m, -half_m), (half_m, half_m)),
            height_m=params.ut_antenna_height_m,
        )

    def shares_reward(self, params: Params) -> bool:
        """Whether `reward_mix` is 1 in all worlds.

        `team_reward` stays False even then: learners are built, and compiled, for an environment without its numbers, and this
        one may be swept. They then learn a value for each agent where one for all would do.
        """
        return bool(np.all(np.asarray(params.reward_mix) == 1))

    @property
    def forecasts(self) -> bool:  # type: ignore[override]
        """A learner may forecast what the twin does not know yet."""
        return self.twin_mode == "lstm"

    @property
    def feature_blocks(self) -> dict[str, slice]:
        """Of what a twin is told: speeds, backlogs and loads of the nodes, sizes of the tasks."""
        return feature_blocks(self)

    @property
    def joint_size(self) -> int:
        """All rows, with one twin."""
        rows = sum(n * self.observation_space[group].shape[0] for group, n in self.n_agents.items())
        return rows - (sum(self.n_agents.values()) - 1) * self.n_features

    @property
    def n_agents(self) -> dict[str, int]:
        """Three groups."""
        return {"vehicle": self.n_vehicles, "uav": self.n_uavs, "bs": self.n_bs}

    @property
    def action_space(self) -> ActionSpace:
        """Where, how strong, how much, how fast."""
        full, each = Box(0.0, 1.0, start=1.0), (self.n_subtasks,)
        vehicle: dict[str, Space] = {
            "target": Discrete(self.n_nodes, each),
            "power": Box(0.0, 1.0, each, start=1.0),
            "split": Box(0.0, 1.0, each),
            "priority": Box(0.0, 1.0, (3,)),
        }
        admit = Box(0.0, 1.0, start=0.6)  # who takes much less than it is sent sends it round in circles
        node: dict[str, Space] = {"forward": Discrete(self.n_nodes), "power": full, "frequency": full, "admit": admit}
        return {"vehicle": vehicle, "uav": node, "bs": node}

    @property
    def observation_layout(self) -> dict[str, Layout]:
        """Place, motion, links, tasks or processor, and the twin."""
        return layout(self)

    @property
    def options(self) -> dict[str, dict[str, Options]]:
        """Of each node as a target and as the next to forward to: link, place among the links, speed, backlog and load."""
        return options(self)

    def joint(self, obs: Observation) -> Array:
        """What all see, row by row, with the twin once, at the end."""
        f, batch = self.n_features, obs.world.shape[1:]
        rows = [x[:, :-f].reshape(-1, *batch) for x in obs.agents.values()]
        return jnp.concatenate([*rows, obs.agents["bs"][0, -f:]])

    def contradictions(self, params: Params) -> list[str]:
        """Another number of BSs than there are places for."""
        return misplaced("bs_pos_m", params.bs_pos_m, self.n_bs, "BS")

    def blank_params(self) -> Params:
        """Numbers of the right structure, with an empty recording where one is replayed."""
        return blank_channel(mobility.blank_recording(self, Params()), self.pathloss_v2b)

    # Chance

    def _slot_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the slot that begins."""
        v, u, b, j, paths = self.n_vehicles, self.n_uavs, self.n_bs, self.n_subtasks, self.n_nlos_paths
        couples, between = u * (u - 1) // 2, {"vb": (v, b), "vu": (v, u), "ub": (u, b)}
        return {
            "vu_los": (v, u),
            "vu_nlos": (v, u, paths),
            "uu_los": (couples,),
            "uu_nlos": (couples, paths),
            "ub_los": (u, b),
            "ub_nlos": (u, b, self.n_antennas, paths),
            **{f"los_new_{name}": shape for name, shape in between.items()},
            **{f"los_flip_{name}": shape for name, shape in between.items()},
            **({"z_vb": (v, b, 2)} if self.v2b_rayleigh else {}),
            "z_cpu": (self.n_nodes,),
            "z_task": (v,),
            **dict.fromkeys(("c", "chi", "w_c", "w_d"), (v, j)),
        }

    def draw_reset(self, key: Array, params: Params) -> dict[str, Array]:
        """Uniform numbers, and normal ones under the names of `NORMAL`: of the first slot's fading, line of sight and tasks, with
        UAV pairs in the order of `numpy.triu_indices`; `bs_z` (B,); `uav_pos`, `uav_wp` (U, 3), `uav_speed` (U,); what the
        mobility model takes (`veh_pos`, `veh_wp` (V, 3), of "waypoint"); `alpha_vu`, `alpha_ub`, `alpha_uu`, per link."""
        v, u, b, model = self.n_vehicles, self.n_uavs, self.n_bs, mobility.MODELS[self.mobility]
        shapes = self._slot_shapes() | {"bs_z": (b,), "uav_pos": (u, 3), "uav_wp": (u, 3), "uav_speed": (u,)}
        shapes |= model.reset_shapes(self, params)
        shapes |= {"alpha_vu": (v, u), "alpha_ub": (u, b), "alpha_uu": (u * (u - 1) // 2,)}
        uniforms = rng.uniforms(key, shapes)
        return normal(uniforms) | model.reset_draws(uniforms, self, params)

    def draw_step(self, key: Array, params: Params) -> dict[str, Array]:
        """The same of the next slot, and of this one: `eps_vb_r`, `eps_vb_ph` (V, B, M), `eps_vu_r`, `eps_vu_ph` (V, U), errors
        of the channel estimates; `twin_cpu` (N,); `uav_wp` (U, 3), `uav_speed` (U,); what the mobility model takes (`veh_wp`)."""
        v, u, model = self.n_vehicles, self.n_uavs, mobility.MODELS[self.mobility]
        errors = {"eps_vb": (v, self.n_bs, self.n_antennas), "eps_vu": (v, u)}
        shapes = self._slot_shapes()
        shapes |= {f"{name}_{part}": shape for name, shape in errors.items() for part in ("r", "ph")}
        shapes |= {"twin_cpu": (self.n_nodes,), "uav_wp": (u, 3), "uav_speed": (u,)}
        uniforms = rng.uniforms(key, shapes | model.step_shapes(self, params))
        return normal(uniforms) | model.step_draws(uniforms, self, params)

    # Transition

    def reset_from(self, draws: dict[str, Array], params: Params) -> tuple[State, Timestep]:
        """BSs on a grid, everybody else anywhere, no backlog, a twin that has heard nothing."""
        state = start(self, draws, params)
        return state, first_timestep(self, observe(self, state, params), state.t.shape)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: Params
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        decision = decode(self, action, state, params)
        work = prepare(decision, state, params)
        up = upload(self, decision, work, state, draws, params)
        way = route(self, decision, work, up, state, params)
        outcome = process(self, decision, work, up, way, state, params)

        vehicles = score_vehicles(self, outcome, state, params)
        nodes = score_nodes(self, decision, way, outcome, state, params)
        own = {"vehicle": vehicles.own, **split_nodes(self, nodes.own)}

        def mean(group: str, x: Array) -> Array:
            return mean_of_present(state.present, x) if group == "vehicle" else jnp.mean(x, 0)

        team = reduce(add, (mean(group, own[group]) for group in GROUPS))  # (63)
        reward = {group: (1 - params.reward_mix) * own[group] + params.reward_mix * team for group in GROUPS}
        reward |= {"vehicle": of_present(state.present, reward["vehicle"])}

        backlog = remaining(self, decision, outcome, state, params)
        speed_hz, what = available_hz(state, params), (backlog, outcome.load, state.tasks.size_bits)
        error_hz = params.twin_cpu_error_hz * (2 * draws["twin_cpu"] - 1)
        measured, true = (features(self, hz, *what, params) for hz in (speed_hz + error_hz, speed_hz))
        share = sent(self, decision, state)
        after = advance(
            self,
            state,
            draws,
            params,
            backlog=backlog,
            prev_share=share,
            measured=jnp.concatenate([state.measured[1:], measured[None]]),
        )
        ts = Timestep(
            obs=observe(self, after, params),
            reward=reward,
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=measure(self, state, decision, work, up, way, outcome, share, params)
            | {f"reward_{group}": mean(group, x) for group, x in own.items()}
            | {"team_reward": team, "features": true}
            | {f"{name}_vehicle": mean("vehicle", getattr(vehicles, name)) for name in ("incentive", "penalty")},
        )
        return after, ts


def normal(uniforms: dict[str, Array]) -> dict[str, Array]:
    """Uniform numbers, those under the names of `NORMAL` made standard normal.

    Args:
        uniforms: by name, on (0, 1), of any shape.
    Returns:
        By name, of the same shapes.
    """
    return {name: fading.standard_normal(u) if name in NORMAL else u for name, u in uniforms.items()}
