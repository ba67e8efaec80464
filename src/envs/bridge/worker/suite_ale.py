"""Atari games, wrapped as in the released code of the attention paper (SPEC.md D.7), on
the emulator itself: what OpenAI's baselines call NoopReset, MaxAndSkip, Monitor,
EpisodicLife, FireReset, WarpFrame and ClipReward, in this order from the inside."""

import base64

from foveate_adapter import (
    AreaResize, Step, imported, installed, missing, random_state, random_state_saved,
    restore_random_state, unknown)
from foveate_messages import Refusal


class Atari:
    """Grey pictures (the three planes are the same), a number of the game's minimal set
    of actions for an action. While it trains, a lost life ends the episode and rewards
    are their signs; an evaluation plays whole games for the game's own score."""

    MOST_NOOPS = 30
    # As `NoFrameskip-v4` has it: half an hour of play.
    MOST_FRAMES = 108_000
    NOOP, FIRE, AFTER_FIRE = 0, 1, 2

    def __init__(self, options):
        self.np = imported("numpy")
        self.ale = ale = imported("ale_py")
        from ale_py import roms

        self.roms = {"".join(part.capitalize() for part in rom.split("_")): rom
                     for rom in roms.get_all_rom_ids()}
        name = options["name"]
        if name not in self.roms:
            raise unknown("ale", name, self.tasks())
        self.size, n = options["image_size"], options["n"]
        self.judged = options["evaluation"]
        self.action_repeat = options.get("action_repeat") or 4
        self.episode_steps = -(-self.MOST_FRAMES // self.action_repeat)
        self.resize = AreaResize(self.np, self.size)
        self.randoms = [random_state(self.np, options["seed"], index) for index in range(n)]
        self.games = []
        for random in self.randoms:
            game = ale.ALEInterface()
            game.setLoggerMode(ale.LoggerMode.Error)
            game.setInt("random_seed", int(random.randint(0, 2**31 - 1)))
            game.setFloat("repeat_action_probability", 0.0)
            game.setInt("max_num_frames_per_episode", self.MOST_FRAMES)
            game.loadROM(roms.get_rom_path(self.roms[name]))
            self.games.append(game)
        self.actions = self.games[0].getMinimalActionSet()
        self.fires = len(self.actions) > 1 and self.actions[self.FIRE] == ale.Action.FIRE
        self.action_dim, self.discrete_actions = 1, len(self.actions)
        self.running = [False] * n
        self.lives = [0] * n
        self.over = [True] * n
        self.pictures = [b""] * n

    def tasks(self):
        return sorted(self.roms)

    def versions(self):
        return installed("ale-py", "numpy")

    # A picture is what the last two emulated frames show together, because the machine
    # draws some things only in every other one.

    def grey(self, screens):
        """RGB → uint8 grey of the largest values, in OpenCV's fixed-point arithmetic."""
        rgb = self.np.maximum(*screens).astype(self.np.uint32)
        weights = self.np.array([9798, 19235, 3735], self.np.uint32)
        return ((rgb @ weights + (1 << 14)) >> 15).astype(self.np.uint8)

    def show(self, index, screens):
        plane = self.resize(self.grey(screens)).tobytes()
        self.pictures[index] = plane * 3
        return self.pictures[index]

    def skip(self, index, action):
        """One action for so many frames → (score, the last two screens)."""
        game, score = self.games[index], 0.0
        screens = [game.getScreenRGB()] * 2
        for _ in range(self.action_repeat):
            score += game.act(self.actions[action])
            screens = [screens[1], game.getScreenRGB()]
            if game.game_over():
                break
        return score, screens

    def new_game(self, index):
        game, random = self.games[index], self.randoms[index]
        game.reset_game()
        for _ in range(random.randint(1, self.MOST_NOOPS + 1)):
            game.act(self.actions[self.NOOP])
            if game.game_over():
                game.reset_game()
        self.over[index] = False
        return 0.0, [game.getScreenRGB()] * 2

    def start(self, index):
        """A new game, or the next life of one that goes on, up to where the agent takes
        over → (score, screens)."""
        if self.over[index]:
            score, screens = self.new_game(index)
        else:
            score, screens = self.skip(index, self.NOOP)
        if self.fires:
            for action in (self.FIRE, self.AFTER_FIRE)[:len(self.actions) - 1]:
                gained, screens = self.skip(index, action)
                score += gained
                if self.games[index].game_over():
                    score, screens = self.new_game(index)
        self.lives[index] = self.games[index].lives()
        return score, screens

    def reset(self, index):
        # An episode that is broken off is not gone on with.
        self.over[index] = self.over[index] or self.running[index] or self.judged
        _, screens = self.start(index)
        self.running[index] = True
        return self.show(index, screens)

    def step(self, index, action):
        game = self.games[index]
        score, screens = self.skip(index, int(action[0]))
        ended = game.game_over(with_truncation=False)
        truncated = game.game_truncated() and not ended
        self.over[index] = ended or truncated
        died = 0 < game.lives() < self.lives[index]
        self.lives[index] = game.lives()
        if died and self.judged and not self.over[index]:
            gained, screens = self.start(index)
            score += gained
            # The next life may be lost before the agent has it.
            ended = self.over[index] = self.over[index] or game.game_over()
        terminated = ended or (died and not self.judged and not truncated)
        self.running[index] = not (terminated or truncated)
        reward = score if self.judged else float(self.np.sign(score))
        return Step(reward, terminated, truncated, None, score, self.show(index, screens))

    def save(self, index):
        state = self.games[index].cloneState(include_rng=True).serialize()
        return {
            "game": base64.b64encode(state).decode(),
            "picture": base64.b64encode(self.pictures[index]).decode(),
            "lives": self.lives[index], "over": self.over[index],
            "running": self.running[index], "random": random_state_saved(self.randoms[index]),
        }

    def restore(self, index, saved):
        try:
            state = self.ale.ALEState(base64.b64decode(saved["game"]))
        except RuntimeError as e:
            raise Refusal("state", "the emulator does not take its saved state: %s" % e) from e
        game = self.games[index]
        # The machine must have been switched on before a state can replace its own.
        game.reset_game()
        game.restoreState(state)
        restore_random_state(self.np, self.randoms[index], saved["random"])
        self.lives[index], self.over[index] = saved["lives"], saved["over"]
        self.running[index] = saved["running"]
        self.pictures[index] = base64.b64decode(saved["picture"])
        return self.pictures[index] or bytes(3 * self.size * self.size), False
