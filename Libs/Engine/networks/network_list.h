// SPDX-License-Identifier: Apache-2.0
// The families of networks, a file each; to be included with ONCOTOME_NETWORK(family) defined. CMake reads the lines
// too.
ONCOTOME_NETWORK(alexnet)
ONCOTOME_NETWORK(lenet)
ONCOTOME_NETWORK(resnet)
ONCOTOME_NETWORK(unet_classifier)
ONCOTOME_NETWORK(vgg)
