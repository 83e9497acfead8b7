// SPDX-License-Identifier: Apache-2.0
#include "../native/pages.h"

#include <sys/mman.h>

#include <new>

namespace oncotome::engine::native {

Pages::Pages(std::size_t bytes) {
  constexpr std::size_t kHuge = std::size_t{1} << 21;
  size_ = (bytes + kHuge - 1) / kHuge * kHuge;
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(memory, size_, MADV_HUGEPAGE);
#endif
  data_ = static_cast<std::byte*>(memory);
}

Pages::~Pages() {
  if (data_) munmap(data_, size_);
}

}  // namespace oncotome::engine::native
