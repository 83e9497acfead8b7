// SPDX-License-Identifier: Apache-2.0
extern "C" int other_libtorch() { return 0; }
