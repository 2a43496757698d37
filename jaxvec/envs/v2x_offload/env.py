"""`v2x_offload`: offloading to edge servers through a twin that vehicles consult one after the other (Li et al., DT-MADDPG).

Vehicles move in a square with a few edge servers. In every slot each has one task and decides where it is computed: by its
own CPU, or by a server; then also its transmit power, its share of that server's CPU, and its share of an uplink band. A
server out of radio reach is used through the nearest one and a wire. The vehicles decide one after another, and after each
the twin shows the next what is still free, so a share is a share of what the predecessors left. Afterwards all tasks run at
once; the pools refill with the next slot. Reward is 1 minus the cost, latency and energy weighted, mean over vehicles.
Nothing but motion carries over from slot to slot. The horizon truncates.

"(n)" is equation n of the paper, "C1".. its constraints. Where the paper is silent or contradicts itself:

- the reward is 1 - cost, with costs in units of a 312 kbit task computed locally: its figures only make sense so ((23)
  alone is negative);
- noise is -113 dBm whatever the band (per hertz, as the text has it, no upload would ever end);
- path loss and fading are those of the paper's reference [25]; no link beyond the radius, where an offloaded task times out;
- latency counts up to a deadline of 100 ms: what is left for the last vehicle may be nothing;
- the energy coefficient of servers is 1e-29 J s^2/cycle^3 (with the vehicles' 1e-27, servers would cost more than they save);
- vehicles turn at random and are reflected by the borders; without borders (`boundary="open"`) they drift out of reach, as
  in Fig. 7;
- bandwidth is taken at the access server, CPU at the target; shares of the residue are literal, at least 1 %;
- the turn's number is part of the observation: without it a share of the residue has no meaning to a shared policy.

Extensions by configuration: a twin that is wrong or stale, tasks that are split over processors (`partition`), busy
servers, random order of turns, unequal servers, own instead of team reward, slower own clocks, thermal noise; and fewer vehicles
(`present`): whoever is absent has no task, comes after all others, takes nothing of the pools, and is in no mean. Recorded
vehicles (`mobility="trace"`) drive in the plane, and come and go: whoever is absent is so for as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import ActFn, Environment, Options, first_timestep
from jaxvec.core.observation import Layout
from jaxvec.core.params import preset
from jaxvec.core.presence import mean_of_present, of_present, of_slot
from jaxvec.core.spaces import ActionSpace, Box, Discrete
from jaxvec.core.turns import ask_in_turns
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.envs import mobility
from jaxvec.envs.channel import area_m, blank_channel, sites_m, with_channel
from jaxvec.envs.places import misplaced
from jaxvec.envs.v2x_offload.info import INFO, measure
from jaxvec.envs.v2x_offload.next_slot import advance, start
from jaxvec.envs.v2x_offload.observation import GROUP, layout, observe, options, show
from jaxvec.envs.v2x_offload.params import Params, Sizes, State
from jaxvec.envs.v2x_offload.slot import (
    Pools,
    asked,
    by_turn,
    by_vehicle,
    decide,
    decode,
    grant,
    locate,
    open_pools,
    server_places_m,
    settle,
    sync,
    take_turns,
    transmit,
)
from jaxvec.envs.world import places_m, read_worlds, settings_in
from jaxvec.physics import fading
from jaxvec.traces import Places, World, moved


@dataclass(frozen=True)
class V2xOffload(Sizes, Environment):
    """Vehicles that draw on edge servers in turns; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle in its turn: 2 + 4N entries (14), 2N more with `obs_later`, see
    `jaxvec.envs.v2x_offload.observation`; the twin's free CPU and bandwidth are those that its predecessors left. Between slots
    (`Timestep.obs`) the twin is that of the opening, as it is in `Observation.world`, which is declared there, too.

    Actions: `target` 0 (own CPU) to N; `power`, `cpu`, `bandwidth` in [-1, 1], shares of the largest power and of what is left.
    With `partition`, `split` (1 + N,) in [-1, 1], logits of the parts, takes the place of `target`.
    """

    id: ClassVar[str] = "v2x_offload"
    params_cls: ClassVar[type] = Params
    team_reward = property(lambda self: self.shared_reward)  # type: ignore[assignment]
    takes_turns: ClassVar[bool] = True
    discount: ClassVar[float] = 0.0  # nothing that is decided outlasts its slot (the paper has 0.7)
    takeover: ClassVar[bool] = True  # recorded vehicles that enter take places that were left
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "base": preset("the setting of the paper's figures"),
        "contended": preset(
            "four times the vehicles at slower servers, so that there is not enough for all",
            n_vehicles=40,
            es_cpu_hz=15e9,
        ),
        "fig7": preset("an open plane, on which vehicles drift out of reach, as in Fig. 7", boundary="open"),
        "partition": preset("tasks are split over processors (extension)", partition=True),
    }

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """Where to compute, and three shares."""
        n = 1 + self.n_servers
        where = {"split": Box(-1.0, 1.0, (n,))} if self.partition else {"target": Discrete(n)}
        return {GROUP: {**where, **dict.fromkeys(("power", "cpu", "bandwidth"), Box(-1.0, 1.0))}}

    @property
    def observation_layout(self) -> dict[str, Layout]:
        """Task, distances, fading, the twin's view of the servers, own turn; and the same of everybody."""
        return layout(self)

    @property
    def options(self) -> dict[str, dict[str, Options]]:
        """Of each target: how far, how well heard and how free its server is. Two kinds, the own CPU and servers."""
        return options(self)

    @classmethod
    def settings_of_world(cls, world: Any, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Servers at the places; x and y from the south-western corner of the area and of all places; `area_m` holds both.

        Raises:
            RecordError: the world cannot be used, or has too few places or vehicles.
        """

        def of_one(world: World, n: int) -> dict[str, Any]:
            servers_m = places_m(world, n)
            points_m = np.concatenate([world.corners_m, servers_m])
            zero_m = points_m.min(0)
            return {
                "trace": moved(world.trace, *-zero_m),
                "es_pos_m": servers_m - zero_m,
                "area_m": float(np.max(points_m - zero_m)),
            }

        return settings_in(cls, read_worlds(world), chosen, "n_servers", of_one)

    def default_params(self, **numbers: Any) -> Params:
        """The paper's numbers, and what recorded traffic and a path loss by table need; the shipped recording crosses the middle
        of the square.

        Raises:
            RecordError: the recording cannot be used, or never has `n_vehicles` on the map at once for an episode; or the file of
                a table cannot be used.
            ValueError: the table is of other servers, or does not hold the square.
        """
        params = Params(**numbers)
        middle_m = float(np.max(params.area_m)) / 2
        params = mobility.with_recording(self, params, (middle_m - 350, middle_m))
        return with_channel(self, params, self.pathloss, "log_distance")

    def shares_reward(self, params: Params) -> bool:
        """Whether the mean is all that anybody earns: by the switch, or by `team_weight` in all worlds."""
        return self.shared_reward or bool(np.all(np.asarray(params.team_weight) == 1))

    def places(self, params: Params) -> Places:
        """The servers and the square.

        Args:
            params: the numbers.
        """
        x_m, y_m = np.moveaxis(np.asarray(server_places_m(self, params, 0), float), 1, 0)
        side_m = params.area_m
        return Places(
            site_m=sites_m(x_m, y_m, params.es_height_m),
            corners_m=area_m(params, (0.0, 0.0), (side_m, side_m)),
            height_m=params.cv_height_m,
            reach_m=params.radius_m if params.hard_radius else np.inf,
        )

    def contradictions(self, params: Params) -> list[str]:
        """Servers in another number or off the square, and vehicles that would drive past walls instead of into them."""
        bad, area_m = misplaced("es_pos_m", params.es_pos_m, self.n_servers, "server"), np.asarray(params.area_m, float)
        if params.es_pos_m is not None and not bad:
            places_m = np.asarray(params.es_pos_m, float)
            if np.any(places_m < 0) or np.any(places_m > area_m):
                bad.append(f"es_pos_m reaches from {places_m.min():g} to {places_m.max():g} m (must be 0 to area_m)")
        if self.mobility == "heading" and self.boundary == "reflect":
            way_m = np.asarray(params.speed_mps) * np.asarray(params.slot_s)
            if np.any(way_m > area_m):
                words = f"speed_mps: vehicles drive {np.max(way_m):g} m in slot_s"
                bad.append(f"{words} (must be at most area_m, {np.min(area_m):g} m, between walls)")
        return bad

    def blank_params(self) -> Params:
        """Numbers of the right structure, with an empty recording where one is replayed."""
        return blank_channel(mobility.blank_recording(self, Params()), self.pathloss)

    # Chance

    def draw_reset(self, key: Array, params: Params) -> dict[str, Array]:
        """What belongs to a slot, and what the mobility model takes.

        `u_task` (M,) ~ U(0, 1); `e_fade` (M, N) ~ Exp(1); `n_bg` (N,) normal; `u_twin` (2, N) ~ U(-1, 1); `u_order` (M,) ~ U(0,
        1) if the order is shuffled. With random headings `u_pos` (M, 2), `u_heading` (M,) ~ U(0, 1).
        """
        model = mobility.MODELS[self.mobility]
        u = rng.uniforms(key, self._slot_shapes() | model.reset_shapes(self, params))
        return self._slot_draws(u) | model.reset_draws(u, self, params)

    def draw_step(self, key: Array, params: Params) -> dict[str, Array]:
        """As `draw_reset`; with random headings `n_heading` (M,) normal for `u_pos` and `u_heading`."""
        model = mobility.MODELS[self.mobility]
        u = rng.uniforms(key, self._slot_shapes() | model.step_shapes(self, params))
        return self._slot_draws(u) | model.step_draws(u, self, params)

    def _slot_shapes(self) -> dict[str, tuple[int, ...]]:
        m, n = self.n_vehicles, self.n_servers
        order = {"u_order": (m,)} if self.shuffle_order else {}
        return {"u_task": (m,), "e_fade": (m, n), "n_bg": (n,), "u_twin": (2, n), **order}

    def _slot_draws(self, u: dict[str, Array]) -> dict[str, Array]:
        return {name: u[name] for name in self._slot_shapes()} | {
            "e_fade": fading.rayleigh_power(u["e_fade"]),
            "n_bg": fading.standard_normal(u["n_bg"]),
            "u_twin": 2 * u["u_twin"] - 1,
        }

    # Transition

    def reset_from(self, draws: dict[str, Array], params: Params) -> tuple[State, Timestep]:
        """Vehicles anywhere on the square."""
        state = start(self, draws, params)
        return state, first_timestep(self, observe(self, state, params), state.t.shape)

    def act(self, act_fn: ActFn, key: Array, state: State, ts: Timestep, params: Params) -> tuple[Any, ActTrace]:
        """Ask the vehicles one by one, each with the twin as its predecessors left it."""
        order, params = state.order, of_slot(params, state.present)

        def show_twin(pools: Pools, k: Array, mine: Any) -> tuple[Pools, Observation]:
            pools, (who, row, _, there) = sync(pools, k, state, params), mine
            row = _if(there, show(self, row[None], pools, params))
            active = {} if there is None else {GROUP: there[None]}
            return pools, ts.obs.replace(agents={GROUP: row}, active=active, ids={GROUP: who[None]})

        def draw(pools: Pools, mine: Any, action: Any) -> Pools:
            here = jax.tree.map(lambda x: x[None], mine[2])
            return grant(pools, asked(decode(self, _if(mine[3], action[GROUP]), params), here)[0])[0]

        everyone = ts.obs.agents[GROUP], locate(self, state, params), ts.obs.active.get(GROUP)
        rows, places, there = by_turn(self, everyone, order)
        who = order if self.shuffle_order else jnp.arange(self.n_vehicles)
        by_turns = ask_in_turns(act_fn, key, open_pools(state, params), (who, rows, places, there), show_twin, draw)
        action, seen, extras = by_vehicle(self, by_turns, order)
        return action, ActTrace(ts.obs.replace(agents=seen["agents"]), extras)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: Params
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order; the turns are played again with the given actions."""
        here = of_slot(params, state.present)
        place = locate(self, state, here)
        decision = decide(self, action[GROUP], here)
        grants = take_turns(self, state, decision, place, here)
        links = transmit(self, state, decision, place, grants, here)
        outcome = settle(state, decision, place, grants, links, here)
        worth = here.reward_offset - outcome.cost  # (23)
        reward = jnp.broadcast_to(mean_of_present(here.present, worth), worth.shape)  # (24)
        if not self.shared_reward:
            reward = here.team_weight * reward + (1 - here.team_weight) * worth
        after = advance(self, state, draws, params)
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: of_present(here.present, reward)},
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=measure(state, decision, place, grants, links, outcome, worth, here),
        )
        return after, ts


def _if(there: Array | None, tree: Any) -> Any:
    """What is seen or done in a turn; 0 where nobody is there to whom it belongs."""
    return tree if there is None else jax.tree.map(lambda x: jnp.where(there, x, jnp.zeros_like(x)), tree)
