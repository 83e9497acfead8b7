// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include "../contestants.h"

namespace oncotome::bench {

std::vector<std::unique_ptr<Peer>> all_peers(int threads) {
  std::vector<std::unique_ptr<Peer>> peers;
  peers.push_back(libtorch_peer(threads));
  // Where the programs' own libraries are looked for.
  if (void* library = dlopen("liboncotome_onednn.so", RTLD_NOW | RTLD_LOCAL))
    if (const auto create = reinterpret_cast<CreatePeer>(dlsym(library, kCreatePeer)))
      peers.emplace_back(create(threads));
  return peers;
}

}  // namespace oncotome::bench
