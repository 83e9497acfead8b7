// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "oncotome/core/error.h"
#include "oncotome/render/pictures.h"
#include "png.h"
#include "posix/virtual_display.h"

namespace oncotome::render {
namespace {

/// A head-sized ball with a red ball high in front on the patient's left.
struct Phantom {
  Volume<float> image;
  LabelVolume labels;
  LesionVolume ids;
  Scene scene;

  Phantom() {
    Geometry g;
    g.size = {80, 80, 80};
    g.spacing_mm = {2, 2, 2};
    image = Volume<float>(g);
    labels = LabelVolume(g);
    ids = LesionVolume(g);
    for (std::int64_t z = 0; z < 80; ++z)
      for (std::int64_t y = 0; y < 80; ++y)
        for (std::int64_t x = 0; x < 80; ++x) {
          const auto inside = [&](const Vec3& c, double r) {
            return norm(Vec3{double(x), double(y), double(z)} - c) < r;
          };
          if (inside({40, 40, 40}, 36)) image.at(x, y, z) = 100;
          if (inside({54, 28, 54}, 7)) labels.at(x, y, z) = 1;
        }
    Label label;
    label.value = 1;
    label.name = "Mass";
    label.color_rgb = {255, 0, 0};
    scene = {&image, &labels, &ids, {label}, {}, "", "MR"};
  }
};

std::string output(const char* name) {
  static const TemporaryFolder folder;
  return folder.path + "/" + name;
}

bool has_child() { return waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD; }

struct Center {
  int pixels = 0;
  double x = 0;
  double y = 0;
};

/// Where red is, in the left (right) half of the picture.
Center red(const Png& png, int half) {
  Center c;
  for (int y = 0; y < 550; ++y)
    for (int x = 600 * half; x < 600 * (half + 1); ++x)
      if (const auto& p = png.at(x, y); p[0] > 90 && p[1] < p[0] / 2 && p[2] < p[0] / 2) {
        ++c.pixels;
        c.x += x - 600 * half;
        c.y += y;
      }
  c.x /= c.pixels;
  c.y /= c.pixels;
  return c;
}

TEST(SurfaceView, Shows_the_class_on_its_side_without_a_display_and_leaves_no_server) {
  unsetenv("DISPLAY");
  const Phantom p;
  const std::string path = output("surface.png");
  std::string why_not;
  ASSERT_TRUE(write_surface_view(path, p.scene, why_not)) << why_not;
  EXPECT_FALSE(has_child());
  EXPECT_EQ(std::getenv("DISPLAY"), nullptr);
  const Png png(path);
  ASSERT_EQ(png.width, 1200);
  ASSERT_EQ(png.height, 600);
  // A ball of radius 36 voxels fills 600 / 1.26 pixels: 6.6 per voxel; the mass is 14 left, 12 in front, 14 above.
  const double scale = 600 / 1.26 / 72;
  const Center front = red(png, 0);
  const Center left = red(png, 1);
  EXPECT_NEAR(front.pixels, 3.14 * 7 * 7 * scale * scale, 0.25 * 3.14 * 7 * 7 * scale * scale);
  EXPECT_NEAR(front.x, 300 + 14.5 * scale, 8);
  EXPECT_NEAR(front.y, 300 - 14.5 * scale, 8);
  EXPECT_NEAR(left.x, 300 - 11.5 * scale, 8);
  EXPECT_NEAR(left.y, 300 - 14.5 * scale, 8);
}

TEST(SurfaceView, Can_be_drawn_twice_in_one_process_and_passes_over_a_display_that_is_not_there) {
  setenv("DISPLAY", ":987", 1);
  const Phantom p;
  std::string why_not;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(write_surface_view(output("surface_again.png"), p.scene, why_not)) << why_not;
  EXPECT_FALSE(has_child());
  unsetenv("DISPLAY");
}

TEST(SurfaceView, Says_why_not_when_there_is_no_server_to_start) {
  unsetenv("DISPLAY");
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  const Phantom p;
  std::string why_not;
  const std::string file = output("surface_none.png");
  std::filesystem::remove(file);
  EXPECT_FALSE(write_surface_view(file, p.scene, why_not));
  setenv("PATH", path.c_str(), 1);
  EXPECT_NE(why_not.find("Xvfb is not installed"), std::string::npos) << why_not;
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(has_child());
}

TEST(SurfaceView, Says_that_a_full_disk_is_unwritable_and_leaves_no_server) {
  unsetenv("DISPLAY");
  const Phantom p;
  std::string why_not;
  EXPECT_THROW(write_surface_view("/dev/full", p.scene, why_not), Error);
  EXPECT_FALSE(has_child());
}

TEST(VirtualDisplay, Its_server_dies_with_a_process_that_is_killed) {
  unsetenv("DISPLAY");
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t user = fork();
  if (user == 0) {
    const VirtualDisplay display;
    const pid_t server = display.server();
    if (write(ends[1], &server, sizeof server) != sizeof server) _exit(1);
    pause();
  }
  pid_t server = -1;
  ASSERT_EQ(read(ends[0], &server, sizeof server), static_cast<ssize_t>(sizeof server));
  ASSERT_GT(server, 0);
  EXPECT_EQ(kill(server, 0), 0);
  kill(user, SIGKILL);
  EXPECT_EQ(waitpid(user, nullptr, 0), user);
  // It has become our child; waiting returns once it is gone, and ctest's limit catches one that stays.
  EXPECT_EQ(waitpid(server, nullptr, 0), server);
}

}  // namespace
}  // namespace oncotome::render
