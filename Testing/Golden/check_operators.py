#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_operators.py liboncotome_torch.so: torch.ops.oncotome against PyTorch's own convolutions, in the PyTorch of this Python.

Exits with 77 where there is none, or one of another LibTorch than the library's.
"""
import sys
import unittest

try:
    import torch
    from torch.nn import functional as F
    torch.ops.load_library(sys.argv[1])
except (ImportError, OSError) as error:
    print("skipped:", error)
    sys.exit(77)

ops = torch.ops.oncotome
# image, output channels, kernel, stride, padding, dilation
SHAPES = [((1, 32, 6, 9, 11), 32, 3, 1, 1, 1), ((2, 17, 5, 7, 13), 33, 3, 1, 1, 1), ((1, 1, 8, 8, 9), 20, 3, 1, 1, 1),
          ((1, 24, 9, 8, 7), 40, 3, 2, 1, 1), ((1, 16, 4, 9, 9), 16, (1, 3, 3), 1, (0, 1, 1), 1), ((1, 40, 5, 5, 5), 3, 1, 1, 0, 1),
          ((1, 16, 9, 9, 9), 16, 3, 1, 2, 2), ((1, 3, 7, 8, 9), 5, (2, 4, 3), (1, 2, 3), (0, 1, 2), 1)]
TRANSPOSED = [((1, 20, 4, 5, 6), 18, 2, 2, 0, 0), ((1, 9, 4, 5, 3), 6, 3, 2, 1, 1), ((2, 16, 3, 4, 5), 16, (1, 2, 2), (1, 2, 2), 0, 0)]


def triple(v):
    return v if isinstance(v, tuple) else (v,) * 3


def make(shape, outputs, kernel, transposed=False, dtype=torch.float32):
    image = torch.randn(shape, dtype=dtype)
    channels = (shape[1], outputs) if transposed else (outputs, shape[1])
    weight = torch.randn(*channels, *triple(kernel), dtype=dtype) * 0.2
    return image, weight, torch.randn(outputs, dtype=dtype)


def distance(a, b):
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def gradients(function, *inputs):
    leaves = [t.detach().clone().requires_grad_() for t in inputs]
    out = function(*leaves)
    out.backward(torch.cos(torch.arange(out.numel(), dtype=out.dtype)).reshape(out.shape))
    return [t.grad for t in leaves]


class Operators(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(5)

    def same_gradients(self, ours, theirs, *inputs):
        for a, b in zip(gradients(ours, *inputs), gradients(theirs, *inputs)):
            self.assertLess(distance(a, b), 1e-5)

    def test_convolutions_give_what_float64_gives(self):
        for shape, outputs, kernel, stride, padding, dilation in SHAPES:
            image, weight, bias = make(shape, outputs, kernel)
            for b in (bias, None):
                out = ops.conv3d(image, weight, b, triple(stride), triple(padding), triple(dilation))
                expected = F.conv3d(image.double(), weight.double(), None if b is None else b.double(), stride, padding, dilation)
                self.assertEqual(out.shape, expected.shape)
                self.assertTrue(out.is_contiguous())
                self.assertLess(distance(out, expected), 2e-6, (shape, kernel))

    def test_transposed_convolutions_give_what_float64_gives(self):
        for shape, outputs, kernel, stride, padding, more in TRANSPOSED:
            image, weight, bias = make(shape, outputs, kernel, True)
            out = ops.conv_transpose3d(image, weight, bias, triple(stride), triple(padding), triple(more))
            expected = F.conv_transpose3d(image.double(), weight.double(), bias.double(), stride, padding, more)
            self.assertEqual(out.shape, expected.shape)
            self.assertLess(distance(out, expected), 2e-6, (shape, kernel))

    def test_the_block_gives_what_float64_gives(self):
        for shape, outputs, kernel, stride, padding, dilation in SHAPES:
            image, weight, shift = make(shape, outputs, kernel)
            for scale in (torch.rand(outputs) + 0.5, None):
                given = (scale, None if scale is None else shift)
                out = ops.conv3d_norm_act(image, weight, *given, triple(stride), triple(padding), triple(dilation), 1e-5, 0.1)
                expected = F.conv3d(image.double(), weight.double(), None, stride, padding, dilation)
                expected = F.leaky_relu(F.instance_norm(expected, None, None, *(None if t is None else t.double() for t in given)), 0.1)
                self.assertLess(distance(out, expected), 5e-6, (shape, kernel))

    def test_an_image_that_is_not_contiguous_is_read_as_it_lies(self):
        image, weight, bias = make((1, 32, 6, 9, 11), 32, 3)
        for other in (image.transpose(2, 4), image.to(memory_format=torch.channels_last_3d), image[:, :, ::2]):
            out = ops.conv3d(other, weight.transpose(2, 4), bias, [1, 1, 1], [1, 1, 1])
            self.assertLess(distance(out, F.conv3d(other, weight.transpose(2, 4), bias, 1, 1)), 2e-6)

    def test_gradients_in_float32_are_those_of_pytorch(self):
        image, weight, bias = make((2, 17, 5, 7, 6), 18, 3)
        one, two = [1, 1, 1], [2, 2, 2]
        self.same_gradients(lambda x, w, b: ops.conv3d(x, w, b, two, one), lambda x, w, b: F.conv3d(x, w, b, 2, 1), image, weight, bias)
        self.same_gradients(lambda x, w: ops.conv3d(x, w, None, one, one), lambda x, w: F.conv3d(x, w, None, 1, 1), image, weight)
        self.same_gradients(lambda x, w, g, b: ops.conv3d_norm_act(x, w, g, b, one, one),
                            lambda x, w, g, b: F.leaky_relu(F.instance_norm(F.conv3d(x, w, None, 1, 1), None, None, g, b), 0.01),
                            image, weight, torch.rand(18) + 0.5, bias)
        image, weight, bias = make((1, 6, 3, 4, 5), 4, 3, True)
        self.same_gradients(lambda x, w, b: ops.conv_transpose3d(x, w, b, two, one, one), lambda x, w, b: F.conv_transpose3d(x, w, b, 2, 1, 1),
                            image, weight, bias)

    def test_gradients_in_float64_are_numerical_ones(self):
        def check(function, *inputs):
            self.assertTrue(torch.autograd.gradcheck(function, [t.requires_grad_() for t in inputs]))

        image, weight, bias = make((1, 2, 4, 3, 5), 3, 3, dtype=torch.float64)
        check(lambda x, w, b: ops.conv3d(x, w, b, [2, 1, 1], [1, 1, 1]), image, weight, bias)
        check(lambda x, w, g, b: ops.conv3d_norm_act(x, w, g, b, [1, 1, 1], [1, 1, 1]), image, weight, torch.rand(3).double() + 0.5, bias)
        image, weight, bias = make((1, 2, 2, 3, 2), 3, 3, True, torch.float64)
        check(lambda x, w, b: ops.conv_transpose3d(x, w, b, [2, 2, 2], [1, 1, 1], [1, 1, 1]), image, weight, bias)

    def test_a_script_may_use_them(self):
        @torch.jit.script
        def net(x, w, b):
            return torch.relu(torch.ops.oncotome.conv3d(x, w, b, [1, 1, 1], [1, 1, 1], [1, 1, 1]))

        image, weight, bias = make((1, 32, 6, 9, 11), 32, 3)
        for _ in range(3):
            self.assertLess(distance(net(image, weight, bias), F.relu(F.conv3d(image, weight, bias, 1, 1))), 2e-6)

    def test_shapes_without_values_follow(self):
        image, weight, bias = (t.to("meta") for t in make((1, 4, 6, 9, 11), 8, 3))
        self.assertEqual(ops.conv3d(image, weight, bias, [2, 2, 2], [1, 1, 1]).shape, (1, 8, 3, 5, 6))
        self.assertEqual(ops.conv3d_norm_act(image, weight, bias, bias).shape, (1, 8, 4, 7, 9))

    def test_what_does_not_fit_is_an_error(self):
        image, weight, bias = make((1, 4, 6, 9, 11), 8, 3)
        for arguments in [(image[:, :3], weight, bias), (image, weight[0], bias), (image[0], weight, bias), (image, weight, bias[:5]),
                          (image, weight.double(), bias), (image, weight, bias, [0, 1, 1]), (image, weight, bias, [1, 1, 1], [-1, 0, 0]),
                          (image[:, :, :2], weight, bias), (image, weight, bias, [1, 1, 1], [0, 0, 0], [1, 1, 9])]:
            for op in (ops.conv3d, lambda x, w, b, *rest: ops.conv3d_norm_act(x, w, b, b, *rest)):
                with self.assertRaisesRegex(RuntimeError, "oncotome"):
                    op(*arguments)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
