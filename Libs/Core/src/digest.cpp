// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/digest.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "oncotome/core/error.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace oncotome {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr std::uint32_t rotate_right(std::uint32_t x, int n) { return x >> n | x << (32 - n); }

constexpr std::uint64_t integer_root(std::uint64_t radicand_high, int degree) {
  // Largest r with r^degree <= radicand_high * 2^(32 * degree), so its low 32 bits are the root's fraction.
  Uint128 low = 0, high = (static_cast<Uint128>(1) << 40) - 1;
  while (low < high) {
    const Uint128 mid = (low + high + 1) / 2;
    // Compare mid^degree with radicand * 2^(32*degree) by dividing first, to stay inside 128 bits.
    bool fits = false;
    if (degree == 2) {
      fits = mid * mid <= static_cast<Uint128>(radicand_high) << 64;
    } else {
      const Uint128 square = mid * mid;
      const Uint128 limit = static_cast<Uint128>(radicand_high) << 96;
      fits = square <= limit / mid;
    }
    if (fits)
      low = mid;
    else
      high = mid - 1;
  }
  return static_cast<std::uint64_t>(low);
}

constexpr std::array<std::uint32_t, 64> first_primes() {
  std::array<std::uint32_t, 64> primes{};
  std::size_t count = 0;
  for (std::uint32_t n = 2; count < primes.size(); ++n) {
    bool prime = true;
    for (std::size_t i = 0; i < count && prime; ++i) prime = n % primes[i] != 0;
    if (prime) primes[count++] = n;
  }
  return primes;
}

// FIPS 180-4 defines both tables as the fractions of roots of the first primes.
constexpr auto kRoundConstants = [] {
  std::array<std::uint32_t, 64> k{};
  const auto primes = first_primes();
  for (std::size_t i = 0; i < k.size(); ++i) k[i] = static_cast<std::uint32_t>(integer_root(primes[i], 3));
  return k;
}();
constexpr auto kInitialState = [] {
  std::array<std::uint32_t, 8> h{};
  const auto primes = first_primes();
  for (std::size_t i = 0; i < h.size(); ++i) h[i] = static_cast<std::uint32_t>(integer_root(primes[i], 2));
  return h;
}();

using State = std::array<std::uint32_t, 8>;

void compress_block(State& state, const std::uint8_t* block) {
  std::array<std::uint32_t, 64> w;
  for (std::size_t i = 0; i < 16; ++i)
    w[i] = static_cast<std::uint32_t>(block[4 * i]) << 24 | static_cast<std::uint32_t>(block[4 * i + 1]) << 16 |
           static_cast<std::uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
    const std::uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRoundConstants[i] + w[i];
    const std::uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::array<std::uint32_t, 8> add{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state[i] += add[i];
}

#ifdef __x86_64__
bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & 1U << 29) != 0;
}

// By the processor's own rounds: a checkpoint is read ten times as fast. Two registers hold the state as A,B,E,F and
// C,D,G,H, from the highest lane on; `w` are the last sixteen words of the schedule.
__attribute__((target("sha,sse4.1"))) void compress_blocks(State& state, const std::uint8_t* block, std::size_t count) {
  const auto load = [](const void* from) __attribute__((target("sha,sse4.1"))) {
    return _mm_loadu_si128(static_cast<const __m128i*>(from));
  };
  const __m128i big_endian = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  const __m128i badc = _mm_shuffle_epi32(load(&state[0]), 0xB1), hgfe = _mm_shuffle_epi32(load(&state[4]), 0x1B);
  __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xF0);
  for (; count > 0; --count, block += 64) {
    const __m128i first = abef, second = cdgh;
    __m128i w[4];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) {
      const __m128i last = w[(i + 3) % 4];
      if (i < 4)
        w[i] = _mm_shuffle_epi8(load(block + 16 * i), big_endian);
      else
        w[i % 4] = _mm_sha256msg2_epu32(
            _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), _mm_alignr_epi8(last, w[(i + 2) % 4], 4)),
            last);
      const __m128i added = _mm_add_epi32(w[i % 4], load(&kRoundConstants[4 * i]));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, added);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(added, 0x0E));
    }
    abef = _mm_add_epi32(abef, first);
    cdgh = _mm_add_epi32(cdgh, second);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(&state[0]), _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(&state[4]), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

}  // namespace

Sha256::Sha256() noexcept : state_(kInitialState) {}

void Sha256::compress(const std::uint8_t* blocks, std::size_t count) noexcept {
#ifdef __x86_64__
  static const bool by_processor = has_sha_instructions();
  if (by_processor) return compress_blocks(state_, blocks, count);
#endif
  for (std::size_t i = 0; i < count; ++i) compress_block(state_, blocks + 64 * i);
}

void Sha256::update(const void* data, std::size_t size) noexcept {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  while (size > 0) {
    const std::size_t used = length_ % 64, whole = used == 0 ? size / 64 : 0;
    const std::size_t take = whole > 0 ? 64 * whole : std::min(size, 64 - used);
    if (whole > 0)
      compress(bytes, whole);
    else
      std::memcpy(pending_.data() + used, bytes, take);
    length_ += take;
    bytes += take;
    size -= take;
    if (whole == 0 && length_ % 64 == 0) compress(pending_.data(), 1);
  }
}

std::array<std::uint8_t, 32> Sha256::finish() noexcept {
  const std::uint64_t bits = length_ * 8;
  const std::uint8_t one = 0x80, zero = 0;
  update(&one, 1);
  while (length_ % 64 != 56) update(&zero, 1);
  std::array<std::uint8_t, 8> tail;
  for (std::size_t i = 0; i < 8; ++i) tail[i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  update(tail.data(), tail.size());
  std::array<std::uint8_t, 32> digest;
  for (std::size_t i = 0; i < 32; ++i) digest[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

std::string hex(const std::array<std::uint8_t, 32>& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hex(hash.finish());
}

std::string sha256_hex_of_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) throw Error(ErrorCode::input_unreadable, "cannot open a file to take its SHA-256");
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get())) hash.update(buffer.data(), n);
  if (std::ferror(file.get())) throw Error(ErrorCode::input_unreadable, "reading failed while taking a SHA-256");
  return hex(hash.finish());
}

std::string make_uid(std::string_view seed) {
  Sha256 hash;
  hash.update(seed.data(), seed.size());
  std::array<std::uint8_t, 32> digest = hash.finish();
  digest[6] = static_cast<std::uint8_t>((digest[6] & 0x0f) | 0x80);  // RFC 9562 version 8, variant 10
  digest[8] = static_cast<std::uint8_t>((digest[8] & 0x3f) | 0x80);
  Uint128 value = 0;
  for (std::size_t i = 0; i < 16; ++i) value = value << 8 | digest[i];
  std::string decimal;
  for (; value > 0; value /= 10) decimal.insert(decimal.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
  return "2.25." + decimal;
}

}  // namespace oncotome
