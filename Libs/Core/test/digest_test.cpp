// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/digest.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

TEST(Digest, Sha256_gives_the_values_published_with_FIPS_180) {
  EXPECT_EQ(oncotome::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(oncotome::sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(oncotome::sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(oncotome::sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, Sha256_does_not_depend_on_how_the_bytes_come_in_pieces) {
  for (const std::size_t size : {1U, 63U, 64U, 65U, 100U, 200U, 1000U}) {
    oncotome::Sha256 hash;
    for (std::size_t fed = 0; fed < 1000000; fed += size)
      hash.update(std::string(size, 'a').data(), std::min<std::size_t>(size, 1000000 - fed));
    EXPECT_EQ(oncotome::hex(hash.finish()), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0") << size;
  }
}

TEST(Digest, A_uid_is_short_has_no_leading_zero_and_depends_on_its_seed_only) {
  const std::string uid = oncotome::make_uid("a");
  EXPECT_EQ(uid, oncotome::make_uid("a"));
  EXPECT_NE(uid, oncotome::make_uid("b"));
  EXPECT_EQ(uid.rfind("2.25.", 0), 0u);
  EXPECT_NE(uid[5], '0');
  EXPECT_LE(uid.size(), 44u);
}

}  // namespace
