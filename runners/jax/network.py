"""The verbs of the walk that need JAX's own functions, for N × height × width × channels."""

import jax

from runners.reference.array_verbs import ArrayVerbs


class Verbs(ArrayVerbs):
    def conv(self, x, layer):
        weight, *bias = self.of(layer)
        strides, pads, groups = (layer.stride,) * 2, [(layer.padding,) * 2] * 2, layer.groups
        x = jax.lax.conv_general_dilated(x, weight, strides, pads, None, None, ("NHWC", "HWIO", "NHWC"), groups)
        return x + bias[0] if bias else x

    def max_pool(self, x, size, stride, padding):
        pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        return jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, size, size, 1), (1, stride, stride, 1), pads)

    def activation(self, x, name):
        return jax.nn.gelu(x, approximate=False) if name == "gelu" else getattr(jax.nn, name)(x)

    def embed(self, x, token, positions):
        [token], [positions] = self.of(token), self.of(positions)
        token = jax.numpy.broadcast_to(token, (x.shape[0], *token.shape[1:]))
        return jax.numpy.concatenate([token, x], axis=1) + positions

    def attention(self, x, layer):
        parts = x.reshape(*x.shape[:2], 3, layer.heads, -1)
        y = jax.nn.dot_product_attention(parts[:, :, 0], parts[:, :, 1], parts[:, :, 2])
        return y.reshape(*x.shape[:2], -1)
