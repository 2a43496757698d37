"""`isac_iov`: digital-twin-assisted offloading in an ISAC-enabled Internet of vehicles (Zhan et al., Ly-DTMAPPO).

Vehicles on a four-lane road split one task a slot between their own CPU and the roadside units (RSUs) that cover them. A part is
sent to an RSU as raw data, or as a short instruction from which the RSU rebuilds the input with its own sensors, whichever is
quicker. Work that does not fit into a slot waits in queues; a virtual queue integrates the energy above a budget. All vehicles
share one reward, minus the Lyapunov drift plus penalty. The problem is an infinite-horizon average: the horizon truncates.

"(n)" is equation n of the paper, "C1".. its constraints. Where the paper is silent or contradicts itself:

- one band for all vehicles (`bandwidth_mode="per_vehicle"` is the literal C4); an RSU's processor is shared in parts
  (`rsu_cpu_mode="common"` is the literal (10), (13), (17));
- the instruction is used iff its upload phase is strictly shorter (22 has the inequality reversed);
- energies enter the objective in kJ and queues in units of one slot's work, everything divided by the number of vehicles;
- the drift is the literal bound (44), or with `drift_form="exact"` the true difference, which oscillation cannot exploit;
- parts below `split_cut` are dropped: the slowest of all nodes sets the latency, however little it was given;
- Little's law (18) divides by the larger of windowed arrivals and departures;
- without the twin (`dt_enabled=False`) the RSU backlogs and their aggregates are 0 in the observation.

With recorded traffic vehicles may be absent, and with `present` all but the first so many are: such a vehicle has no task, is
covered by no RSU and is left out of every mean and sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.observation import Layout
from jaxvec.core.params import preset
from jaxvec.core.presence import of_present
from jaxvec.core.spaces import ActionSpace, Box
from jaxvec.core.types import Timestep
from jaxvec.envs import mobility
from jaxvec.envs.channel import area_m, blank_channel, sites_m, with_channel
from jaxvec.envs.isac_iov.info import INFO, measure
from jaxvec.envs.isac_iov.observation import GROUP, layout, observe
from jaxvec.envs.isac_iov.params import Params, Sizes, State
from jaxvec.envs.isac_iov.slot import advance, decode, locate, queue, rsu_x_m, score, settle, start, transmit
from jaxvec.envs.places import misplaced
from jaxvec.envs.world import places_m, read_worlds, settings_in
from jaxvec.physics import fading, tasks
from jaxvec.traces import Places, World, moved


@dataclass(frozen=True)
class IsacIov(Sizes, Environment):
    """Vehicles that split tasks among themselves and roadside units; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle: 14 + 4K entries (26), see `jaxvec.envs.isac_iov.observation`. `Observation.world`: all vehicles'
    entries, one vehicle after the other.

    Actions, all in [-1, 1]: `split` (1 + K,) logits of the local and the RSU parts, `bandwidth` (K,) and `rsu_cpu` (K,) requests.
    """

    id: ClassVar[str] = "isac_iov"
    params_cls: ClassVar[type] = Params
    team_reward: ClassVar[bool] = True
    discount: ClassVar[float] = 0.9  # queues are worked off in some slots (the paper has 0.99)
    takeover: ClassVar[bool] = False  # recorded vehicles that enter take places that were left
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "background": preset("RSUs get work from elsewhere, in a fifth of the slots (extension)", rsu_bg_prob=0.2),
        "no_twin": preset("vehicles do not see the RSUs' backlogs", dt_enabled=False),
        "traffic": preset("vehicles of a SUMO recording, which come and go", mobility="trace"),
        "literal": preset(
            "the band and the processors of the literal C4, (10), (13) and (17), and instructions of no length",
            bandwidth_mode="per_vehicle",
            rsu_cpu_mode="common",
            instr_bits_min=0.0,
            instr_bits_max=0.0,
        ),
    }

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """Three boxes; `decode` maps them onto shares of the task, the band and the processors."""
        k = self.n_rsus
        boxes = {"split": Box(-1.0, 1.0, (1 + k,)), "bandwidth": Box(-1.0, 1.0, (k,)), "rsu_cpu": Box(-1.0, 1.0, (k,))}
        return {GROUP: boxes}

    @property
    def observation_layout(self) -> dict[str, Layout]:
        """Task, itself, queues, RSUs, and the twin's view of them."""
        return layout(self)

    @property
    def world_size(self) -> int:
        """All vehicles' observations, one after the other."""
        return self.n_vehicles * layout(self)[GROUP].size

    @classmethod
    def settings_of_world(cls, world: Any, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """RSUs at the places; x from the area's western border and y from its middle; `road_length_m` is the longer side.

        Raises:
            RecordError: the world cannot be used, or has too few places or vehicles.
        """

        def of_one(world: World, n: int) -> dict[str, Any]:
            low_m, high_m = np.asarray(world.corners_m, float)
            zero_m = np.array([low_m[0], (low_m[1] + high_m[1]) / 2])
            return {
                "trace": moved(world.trace, *-zero_m),
                "rsu_pos_m": places_m(world, n) - zero_m,
                "road_length_m": float(np.max(high_m - low_m)),
            }

        return settings_in(cls, read_worlds(world), chosen, "n_rsus", of_one)

    def default_params(self, **numbers: Any) -> Params:
        """The paper's numbers. A mobility model of recorded traffic needs `trace`, a `Trace` or a file of one; the shipped one by
        default.

        Raises:
            RecordError: the file cannot be used, or never has `n_vehicles` on the road at once for an episode.
        """
        return with_channel(self, mobility.with_recording(self, Params(**numbers)), self.pathloss, "log_distance")

    def places(self, params: Params) -> Places:
        """The RSUs and the road.

        Args:
            params: the numbers.
        """
        x_m, y_m = rsu_x_m(self, params, 0), params.rsu_lateral_m
        if params.rsu_pos_m is not None:
            x_m, y_m = np.moveaxis(np.asarray(params.rsu_pos_m), 1, 0)
        return Places(
            site_m=sites_m(x_m, y_m, params.rsu_height_m),
            corners_m=area_m(
                params, (0.0, -1.5 * params.lane_width_m), (params.road_length_m, 1.5 * params.lane_width_m)
            ),
            height_m=params.vehicle_height_m,
            reach_m=params.rsu_range_m,
        )

    def contradictions(self, params: Params) -> list[str]:
        """RSUs that would stand beside the road's ends, or of another number than there are places for."""
        if params.rsu_pos_m is not None:
            return misplaced("rsu_pos_m", params.rsu_pos_m, self.n_rsus, "RSU")
        row_m = (self.n_rsus - 1) * np.asarray(params.rsu_spacing_m)
        if np.all(row_m <= np.asarray(params.road_length_m)):
            return []
        return [
            f"rsu_spacing_m: {self.n_rsus} RSUs take {np.max(row_m):g} m (must be at most road_length_m, "
            f"{np.min(params.road_length_m):g} m)"
        ]

    def blank_params(self) -> Params:
        """Numbers of the right structure, with an empty recording where one is replayed."""
        return blank_channel(mobility.blank_recording(self, Params()), self.pathloss)

    # Chance

    def draw_reset(self, key: Array, params: Params) -> dict[str, Array]:
        """Everything that is drawn once an episode, scaled.

        `veh_cpu_hz`, `work_cpb`, `align_cpb`, `task_bits`, `instr_bits`, `q_loc_cycles` (I,); `q_rsu_cycles`, `twin_err` (K,);
        and what the mobility model takes (`x_m`, `lane`, `speed_mps` (I,) on the paper's road).
        """
        i, k, model = self.n_vehicles, self.n_rsus, mobility.MODELS[self.mobility]
        per_vehicle = ("veh_cpu_hz", "work_cpb", "align_cpb", "task_bits", "instr_bits", "q_loc_cycles")
        shapes = dict.fromkeys(per_vehicle, (i,)) | {"q_rsu_cycles": (k,), "twin_err": (k,)}
        u, p = rng.uniforms(key, shapes | model.reset_shapes(self, params)), params
        return model.reset_draws(u, self, params) | {
            "veh_cpu_hz": tasks.uniform(u["veh_cpu_hz"], p.veh_cpu_min_hz, p.veh_cpu_max_hz),
            "work_cpb": tasks.uniform(u["work_cpb"], p.work_cpb_min, p.work_cpb_max),
            "align_cpb": tasks.uniform(u["align_cpb"], p.align_cpb_min, p.align_cpb_max),
            "task_bits": tasks.uniform(u["task_bits"], p.task_bits_min, p.task_bits_max),
            "instr_bits": tasks.uniform(u["instr_bits"], p.instr_bits_min, p.instr_bits_max),
            "q_loc_cycles": u["q_loc_cycles"] * p.q_loc_init_max_cycles,
            "q_rsu_cycles": u["q_rsu_cycles"] * p.q_rsu_init_max_cycles,
            "twin_err": tasks.uniform(u["twin_err"], -1.0, 1.0),
        }

    def draw_step(self, key: Array, params: Params) -> dict[str, Array]:
        """What is drawn in every slot, scaled.

        `h_power` (I, K) ~ Exp(1); `bg_u`, `bg_size` (K,) ~ U(0, 1); `next_task_bits`, `next_instr_bits` (I,);
        `next_twin_err` (K,); and what the mobility model takes (nothing on the paper's road).
        `h_power` = h_re^2 + h_im^2 carries all that the model uses of the complex Rayleigh coefficient.
        """
        i, k, p, model = self.n_vehicles, self.n_rsus, params, mobility.MODELS[self.mobility]
        shapes = {"h": (i, k), "bg_u": (k,), "bg_size": (k,), "task": (i,), "instr": (i,), "twin": (k,)}
        u = rng.uniforms(key, shapes | model.step_shapes(self, params))
        return model.step_draws(u, self, params) | {
            "h_power": fading.rayleigh_power(u["h"]),
            "bg_u": u["bg_u"],
            "bg_size": u["bg_size"],
            "next_task_bits": tasks.uniform(u["task"], p.task_bits_min, p.task_bits_max),
            "next_instr_bits": tasks.uniform(u["instr"], p.instr_bits_min, p.instr_bits_max),
            "next_twin_err": tasks.uniform(u["twin"], -1.0, 1.0),
        }

    # Transition

    def reset_from(self, draws: dict[str, Array], params: Params) -> tuple[State, Timestep]:
        """Vehicles anywhere on the road; empty histories and energy queue."""
        state = start(self, draws, params)
        return state, first_timestep(self, observe(self, state, params), state.t.shape)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: Params
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        place = locate(self, state, params)
        decision = decode(self, action[GROUP], place, state, params)
        links = transmit(self, state, decision, place, draws["h_power"], params)
        work = queue(state, decision, links, draws, params)
        outcome = settle(state, decision, links, work, params)
        reward, parts = score(self, state, decision, work, outcome, params)
        after = advance(self, state, work, outcome, draws, params)
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: of_present(params.present, jnp.broadcast_to(reward, state.x_m.shape))},
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=parts | measure(state, decision, links, work, outcome, params),
        )
        return after, ts
