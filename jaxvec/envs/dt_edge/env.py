"""`dt_edge`: tasks of several types through a base station with one server, whose speed its digital twin misjudges.

Vehicles drive past a mast. In every slot each has a task of each type, and for each of these streams the twin decides which
ratio goes to the server and which share of the server's processor it gets; the rest is computed on the vehicle. The server has
a queue per type. A stream that the twin gives a share alpha runs at alpha f_E + bias: a positive bias is a server that is
faster than its twin thinks. The reward is quality of service (latency against a deadline) less energy and less the drift of
the queues. The horizon truncates.

"(n)" is equation n of the paper. Where the paper is silent or contradicts itself:

- Table I makes the radio and the server's energy vanish (10 kbit tasks of 31250 cycles a bit): one constant action is best
  everywhere. `balanced` has tasks a hundred times larger and as many times lighter, every load and computing time as printed;
  `table1` keeps the print;
- vehicles share the band (`bandwidth_shared`); the printed rate (2) gives all of it to each;
- distances in the path loss are kilometres, gains are reciprocals of losses;
- local and remote parts follow one another as printed in (10), or run side by side (`latency_combine="max"`);
- (9) sends the whole task even if nothing is offloaded: here what is offloaded;
- a task is given up after five deadlines: with Rayleigh fading the mean of 1 / rate does not exist;
- the bias is in gigahertz, counts in the budget (17d), and is not observed: it is what the twin does not know;
- shares have a floor (the smallest that is printed) and a cap; requests beyond the budget are shrunk, not punished;
- the server's power (15) is that of N_E cores of f_E / N_E, 10 W in all, and counts for the slot's length;
- quality and joules are added in the paper: here energy is in units of all tasks computed locally, with weight 1/4;
- the drift is the realised one: the bound (24a), which pays for service that is merely offered, can be farmed
  (`drift_mode="bound"`);
- (27), the printed reward of the learners, has neither queue nor energy, and rewards a busy server: `reward_mode="eq27"`;
- observations (25) lack the queues, on which the objective depends: added;
- the paper's tasks never wait for the queue that they enter: they do with `queue_wait`, where the load calls for it (`dense`).

With `present` fewer vehicles than `n_vehicles` are there; the others have no tasks, no part of band, server and budgets, and are
in no mean: all is as in an environment of that many vehicles, and one program serves every number of them. Recorded vehicles
(`mobility="trace"`) drive in the plane around the mast, and come and go: whoever is absent is so for as long. Who takes a place
that was left takes over its channel and bias.
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
from jaxvec.core.presence import of_present, of_slot
from jaxvec.core.spaces import ActionSpace, Box
from jaxvec.core.types import Timestep
from jaxvec.envs import mobility
from jaxvec.envs.channel import area_m, blank_channel, sites_m, with_channel
from jaxvec.envs.dt_edge.info import INFO, measure
from jaxvec.envs.dt_edge.observation import GROUP, layout, observe
from jaxvec.envs.dt_edge.params import Params, Sizes, State
from jaxvec.envs.dt_edge.slot import advance, decode, delay, enqueue, fit, gain_db, rate_bps, score, spend, start
from jaxvec.envs.world import places_m, read_worlds, settings_in
from jaxvec.physics import fading, tasks
from jaxvec.traces import Places, World, moved, within

WIDE_M = 5.625  # from the centre line of the shipped recording to the middle of its outermost lane


@dataclass(frozen=True)
class DtEdge(Sizes, Environment):
    """Streams of tasks that share a server; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle: 2K + 3 entries (9), see `jaxvec.envs.dt_edge.observation`. `Observation.world` (N(K + 3) + K): all
    vehicles' entries, then the queues once.

    Actions in [0, 1]: `offload` (K,) ratios; `share` (K,) log-spaced from the floor to `alpha_max`.
    """

    id: ClassVar[str] = "dt_edge"
    params_cls: ClassVar[type] = Params
    team_reward = property(lambda self: self.shared_reward)
    discount: ClassVar[float] = 0.0  # the optimum of each slot by itself is a plan for all (the paper has 0.95)
    takeover: ClassVar[bool] = True  # recorded vehicles that enter take places that were left
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "balanced": preset("tasks a hundred times those of Table I and as many times lighter, every load as printed"),
        "table1": preset(
            "Table I as printed: radio and server cost next to nothing, and one constant action is best everywhere",
            task_bits_min=8e3,
            task_bits_max=12e3,
            cycles_per_bit=31250.0,
            kappa_server=1.5625e-35,
            bandwidth_shared=False,
        ),
        "dense": preset(
            "a quarter of the server, for which tasks queue, and a whole band for each vehicle",
            server_cpu_hz=100e9,
            kappa_server=1e-30,
            bandwidth_shared=False,
            queue_wait=True,
        ),
        "eq27": preset("the printed reward of the learners (27)", reward_mode="eq27"),
    }

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """A ratio and a share per type."""
        return {GROUP: dict.fromkeys(("offload", "share"), Box(0.0, 1.0, (self.n_types,)))}

    @property
    def observation_layout(self) -> dict[str, Layout]:
        """Tasks, place, speed, channel, queues."""
        return layout(self)

    @property
    def world_size(self) -> int:
        """All vehicles' entries, and the queues."""
        return self.n_vehicles * (self.n_types + 3) + self.n_types

    @classmethod
    def settings_of_world(cls, world: Any, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The mast at the place with most traffic in reach, which is `road_half_length_m`; vehicles are there while in reach.

        Raises:
            RecordError: the world cannot be used, or has too few vehicles.
        """
        reach_m = float(np.max(chosen.get("road_half_length_m", Params.road_half_length_m)))

        def of_one(world: World, n: int) -> dict[str, Any]:
            visits = [within(world.trace, x, y, reach_m) for x, y in places_m(world)]
            best = int(np.argmax([visit.n_samples.sum() for visit in visits]))
            return {"trace": moved(visits[best], *-places_m(world)[best])}

        return settings_in(cls, read_worlds(world), chosen, None, of_one)

    def default_params(self, **numbers: Any) -> Params:
        """The paper's numbers, and what recorded traffic and a path loss by table need; the shipped recording passes the mast at
        `lane_offset_m`.

        Raises:
            RecordError: the recording cannot be used, or never has `n_vehicles` on the map at once for an episode; or the file of
                a table cannot be used.
            ValueError: the table is of another mast, or does not hold the road.
        """
        params = Params(**numbers)
        params = mobility.with_recording(self, params, (-350.0, float(np.max(params.lane_offset_m)) + WIDE_M))
        return with_channel(self, params, self.pathloss, "macro")

    def blank_params(self) -> Params:
        """Numbers of the right structure, with an empty recording where one is replayed."""
        return blank_channel(mobility.blank_recording(self, Params()), self.pathloss)

    def places(self, params: Params) -> Places:
        """The mast and the road.

        Args:
            params: the numbers.
        """
        half_m, first_m = params.road_half_length_m, params.lane_offset_m
        last_m = first_m + params.lane_width_m * (self.n_lanes - 1)
        return Places(
            site_m=sites_m([0.0], [0.0], params.bs_height_m),
            corners_m=area_m(params, (-half_m, first_m), (half_m, last_m)),
            height_m=params.vehicle_height_m,
        )

    # Chance

    def draw_reset(self, key: Array, params: Params) -> dict[str, Array]:
        """`shadow_db` (N,) normal; `fading_re`, `fading_im` (N,) normal of variance 1/2; `task_bits` (N, K) uniform; `u_bias`
        (N, K) ~ U(-1, 1); and what the mobility model takes (`x_m`, `speed_mps` (N,) on the paper's road)."""
        n, k, model = self.n_vehicles, self.n_types, mobility.MODELS[self.mobility]
        shapes = model.reset_shapes(self, params) | dict.fromkeys(("shadow", "re", "im"), (n,))
        u = rng.uniforms(key, shapes | {"task": (n, k), "bias": (n, k)})
        z = {name: fading.standard_normal(u[name]) for name in ("shadow", "re", "im")}
        return model.reset_draws(u, self, params) | {
            "shadow_db": params.shadow_std_db * z["shadow"],
            "fading_re": 0.5**0.5 * z["re"],
            "fading_im": 0.5**0.5 * z["im"],
            "task_bits": tasks.uniform(u["task"], params.task_bits_min, params.task_bits_max),
            "u_bias": tasks.uniform(u["bias"], -1.0, 1.0),
        }

    def draw_step(self, key: Array, params: Params) -> dict[str, Array]:
        """`z_shadow` (N,), `z_fading` (N, 2) standard normal; `u_task` (N, K) ~ U(0, 1); and what the mobility model takes."""
        n, model = self.n_vehicles, mobility.MODELS[self.mobility]
        shapes = {"z_shadow": (n,), "z_fading": (n, 2), "u_task": (n, self.n_types)}
        u = rng.uniforms(key, shapes | model.step_shapes(self, params))
        z = {name: fading.standard_normal(u[name]) for name in ("z_shadow", "z_fading")}
        return model.step_draws(u, self, params) | {"u_task": u["u_task"]} | z

    # Transition

    def reset_from(self, draws: dict[str, Array], params: Params) -> tuple[State, Timestep]:
        """Vehicles anywhere on the road, queues empty."""
        state = start(self, draws, params)
        return state, first_timestep(self, observe(self, state, params), state.t.shape)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: Params
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        here = of_slot(params, state.present)
        decision = fit(self, *decode(self, action[GROUP], here), state, here)
        rates_bps = rate_bps(self, gain_db(self, state, here), here)
        late = delay(self, decision, rates_bps, state, here)
        energy = spend(decision, late, here)
        q = enqueue(decision, late, state)
        earned = score(self, decision, late, energy, q, state, here)
        after = advance(self, q, state, draws, params)
        reward = jnp.broadcast_to(earned.team, earned.reward_n.shape) if self.shared_reward else earned.reward_n
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: of_present(here.present, reward)},
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=measure(decision, rates_bps, late, energy, q, earned, here),
        )
        return after, ts
