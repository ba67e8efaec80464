"""One SGQN update (Bertoin et al. 2022) at the paper's size, in plain eager PyTorch.

As foveate does, it passes through the encoder once where the same pixels and weights
come up twice, and leaves out the attribution that odd steps do not use; the released
code does neither. The batch lies ready: nothing is drawn, shifted or overlaid here.
Weights have PyTorch's own initial values, which do not matter to the time.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

BATCH, FRAMES, SIDE, ACTIONS = 128, 3, 84, 2
FILTERS, LAYERS, PROJECTION, HIDDEN = 32, 11, 100, 1024
FEATURES = FILTERS * 21 * 21
DECODER_CHANNELS = (128, 64)
DISCOUNT, CRITIC_TAU, ENCODER_TAU = 0.99, 0.01, 0.05
LOG_STD_MIN, LOG_STD_MAX = -10.0, 2.0
RHO, CONSISTENCY = 0.95, 0.5


class ReLU(nn.Module):
    """ReLU that passes only positive gradients back while `guided` is set."""

    guided = False

    @staticmethod
    def rule(gradient):
        return gradient.clamp_min(0) if ReLU.guided else gradient

    def forward(self, x):
        y = F.relu(x)
        if y.requires_grad:
            y.register_hook(ReLU.rule)
        return y


def mlp(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN),
        ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        ReLU(),
        nn.Linear(HIDDEN, outputs),
    )


def projection():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(FEATURES, PROJECTION), nn.LayerNorm(PROJECTION), nn.Tanh()
    )


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3 * FRAMES, FILTERS, 3, stride=2)]
        for _ in range(LAYERS - 1):
            layers += [ReLU(), nn.Conv2d(FILTERS, FILTERS, 3)]
        self.layers = nn.Sequential(*layers)

    def forward(self, obs):
        return self.layers(obs / 255)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn, self.projection = Cnn(), projection()
        self.q1, self.q2 = (mlp(PROJECTION + ACTIONS, 1) for _ in range(2))

    def heads(self, features, action):
        x = torch.cat([self.projection(features), action], dim=1)
        return self.q1(x), self.q2(x)

    def forward(self, obs, action):
        return self.heads(self.cnn(obs), action)

    def encoder(self):
        return [*self.cnn.parameters(), *self.projection.parameters()]


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection, self.mlp = projection(), mlp(PROJECTION, 2 * ACTIONS)

    def forward(self, features):
        """An action and the logarithm of its probability."""
        mean, raw = self.mlp(self.projection(features)).chunk(2, dim=1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (raw.tanh() + 1)
        noise = torch.randn_like(mean)
        log_prob = (-0.5 * noise**2 - log_std).sum(1, keepdim=True)
        log_prob = log_prob - 0.5 * ACTIONS * math.log(2 * math.pi)
        action = (mean + noise * log_std.exp()).tanh()
        squash = (F.relu(1 - action**2) + 1e-6).log().sum(1, keepdim=True)
        return action, log_prob - squash


class Decoder(nn.Module):
    """The mask that the encoder predicts: logits of it."""

    def __init__(self):
        super().__init__()
        first, second = DECODER_CHANNELS
        self.linear = nn.Linear(PROJECTION + ACTIONS, FEATURES)
        self.conv1 = nn.Conv2d(FILTERS, first, 3, padding=1)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.conv3 = nn.Conv2d(second, 3 * FRAMES, 3, padding=1)

    def forward(self, z, action):
        x = self.linear(torch.cat([z, action], dim=1)).view(-1, FILTERS, 21, 21)
        x = F.interpolate(self.conv1(F.relu(x)), scale_factor=2)
        x = F.interpolate(self.conv2(F.relu(x)), scale_factor=2)
        return self.conv3(F.relu(x))


def adam(parameters, lr, beta1=0.9):
    return torch.optim.Adam(parameters, lr=lr, betas=(beta1, 0.999), fused=True)


def attribution_mask(q1, obs):
    """Where the guided gradient of Q1 is large: per frame, at or above its quantile."""
    ReLU.guided = True
    (gradient,) = torch.autograd.grad(q1.sum(), obs, retain_graph=True)
    ReLU.guided = False
    magnitude = gradient.abs().view(-1, FRAMES, 3, SIDE * SIDE).amax(2)
    threshold = torch.quantile(magnitude, RHO, dim=2, keepdim=True)
    mask = (magnitude >= threshold).view(-1, FRAMES, 1, SIDE, SIDE)
    return mask.expand(-1, -1, 3, -1, -1).reshape(obs.shape)


class Agent:
    def __init__(self, device):
        self.critic, self.actor = Critic().to(device), Actor().to(device)
        self.decoder = Decoder().to(device)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.log_alpha = torch.tensor(math.log(0.1), device=device, requires_grad=True)
        self.critic_optimizer = adam(self.critic.parameters(), 1e-3)
        self.actor_optimizer = adam(self.actor.parameters(), 1e-3)
        self.alpha_optimizer = adam([self.log_alpha], 1e-4, beta1=0.5)
        auxiliary = [*self.critic.encoder(), *self.decoder.parameters()]
        self.auxiliary_optimizer = adam(auxiliary, 3e-4)

    @staticmethod
    def descend(optimizer, loss):
        """One step on the gradients of the optimizer's own parameters, no others."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.zero_grad()
        loss.backward(inputs=parameters)
        optimizer.step()

    def bellman_target(self, batch):
        with torch.no_grad():
            next_obs = batch["next_obs"]
            action, log_prob = self.actor(self.critic.cnn(next_obs))
            value = torch.minimum(*self.target(next_obs, action))
            value = value - self.log_alpha.exp() * log_prob
            return batch["reward"] + DISCOUNT * batch["not_done"] * value

    def update(self, batch, step):
        obs = batch["obs"].detach().requires_grad_()
        action, losses = batch["action"], {}

        y = self.bellman_target(batch)
        q1, q2 = self.critic(obs, action)
        mask = attribution_mask(q1, obs)
        low, high = batch["obs"].aminmax()
        fill = low + (high - low) * torch.rand_like(low)
        masked_q1, masked_q2 = self.critic(torch.where(mask, batch["obs"], fill), action)
        loss = F.mse_loss(q1, y) + F.mse_loss(q2, y)
        consistency = F.mse_loss(q1, masked_q1) + F.mse_loss(q2, masked_q2)
        loss = loss + CONSISTENCY * consistency
        self.descend(self.critic_optimizer, loss)
        losses["critic"] = loss.detach()
        if step % 2 != 0:
            return losses

        # The updated critic looks again; the actor shares its features.
        features = self.critic.cnn(obs)
        mask = attribution_mask(self.critic.heads(features, action)[0], obs)

        features = features.detach()
        policy_action, log_prob = self.actor(features)
        q = torch.minimum(*self.critic.heads(features, policy_action))
        actor_loss = (self.log_alpha.exp().detach() * log_prob - q).mean()
        self.descend(self.actor_optimizer, actor_loss)
        # The target entropy is −|A|.
        alpha_loss = (self.log_alpha.exp() * (ACTIONS - log_prob).detach()).mean()
        self.descend(self.alpha_optimizer, alpha_loss)

        with torch.no_grad():
            encoder = len(self.critic.encoder())
            pairs = zip(self.target.parameters(), self.critic.parameters())
            for i, (target, online) in enumerate(pairs):
                target.lerp_(online, ENCODER_TAU if i < encoder else CRITIC_TAU)

        z = self.critic.projection(self.critic.cnn(batch["overlaid"]))
        logits = self.decoder(z, action)
        auxiliary = F.binary_cross_entropy_with_logits(logits, mask.float())
        self.descend(self.auxiliary_optimizer, auxiliary)
        losses.update(actor=actor_loss.detach(), auxiliary=auxiliary.detach())
        return losses


def random_batch(device):
    """Transitions of random pixels, and such pixels in place of overlaid ones."""
    generator = torch.Generator().manual_seed(1)

    def uniform(shape, low, high):
        numbers = torch.rand(shape, generator=generator)
        return (low + (high - low) * numbers).to(device)

    pixels = (BATCH, 3 * FRAMES, SIDE, SIDE)
    batch = {name: uniform(pixels, 0, 255) for name in ("obs", "next_obs", "overlaid")}
    batch["action"] = uniform((BATCH, ACTIONS), -1, 1)
    batch["reward"] = uniform((BATCH, 1), 0, 1)
    batch["not_done"] = torch.ones((BATCH, 1), device=device)
    return batch
