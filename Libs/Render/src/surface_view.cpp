// SPDX-License-Identifier: Apache-2.0
#include <vtkActor.h>
#include <vtkCallbackCommand.h>
#include <vtkCamera.h>
#include <vtkNew.h>
#include <vtkOpenGLRenderWindow.h>
#include <vtkPolyDataMapper.h>
#include <vtkProperty.h>
#include <vtkRenderer.h>
#include <vtkUnsignedCharArray.h>

#include <algorithm>
#include <array>

#include "canvas.h"
#include "legend.h"
#include "oncotome/render/pictures.h"
#include "posix/virtual_display.h"
#include "slice_painter.h"
#include "surfaces.h"

namespace oncotome::render {
namespace {

constexpr int kSide = 600;
constexpr int kOversampling = 2;
constexpr Rgb kInk = {235, 238, 242};

struct Aspect {
  const char* title;
  Vec3 from;  ///< Where the viewer stands, LPS.
  const char* left;
  const char* right;
};
constexpr std::array<Aspect, 2> kAspects{
    {{"from the front", {0, -1, 0}, "R", "L"}, {"from the patient's left", {1, 0, 0}, "A", "P"}}};

/// VTK's warnings would go to stderr, and libraries do not print.
class SilentVtk {
 public:
  SilentVtk() : before_(vtkObject::GetGlobalWarningDisplay()) { vtkObject::GlobalWarningDisplayOff(); }
  ~SilentVtk() { vtkObject::SetGlobalWarningDisplay(before_); }
  SilentVtk(const SilentVtk&) = delete;
  SilentVtk& operator=(const SilentVtk&) = delete;

 private:
  int before_;
};

vtkSmartPointer<vtkActor> actor_of(const Surface& surface) {
  vtkNew<vtkPolyDataMapper> mapper;
  mapper->SetInputData(surface.mesh);
  mapper->ScalarVisibilityOff();
  auto actor = vtkSmartPointer<vtkActor>::New();
  actor->SetMapper(mapper);
  vtkProperty* p = actor->GetProperty();
  p->SetColor(surface.color[0] / 255.0, surface.color[1] / 255.0, surface.color[2] / 255.0);
  p->SetOpacity(surface.opacity);
  p->SetInterpolationToPhong();
  p->SetAmbient(0.15);
  p->SetDiffuse(0.8);
  p->SetSpecular(0.2);
  p->SetSpecularPower(25);
  return actor;
}

void look(vtkRenderer* renderer, const Aspect& aspect, const double* bounds) {
  const Vec3 center{(bounds[0] + bounds[1]) / 2, (bounds[2] + bounds[3]) / 2, (bounds[4] + bounds[5]) / 2};
  // Room for the letters at the sides, and for the legend too below.
  const double half =
      std::max({1.14 * (bounds[1] - bounds[0]), 1.14 * (bounds[3] - bounds[2]), 1.26 * (bounds[5] - bounds[4]), 10.0}) /
      2;
  const Vec3 eye = center + (4 * half) * aspect.from;
  vtkCamera* camera = renderer->GetActiveCamera();
  camera->ParallelProjectionOn();
  camera->SetFocalPoint(center.data());
  camera->SetPosition(eye.data());
  camera->SetViewUp(0, 0, 1);
  camera->SetParallelScale(half);
  renderer->ResetCameraClippingRange();
}

/// Averages kOversampling^2 samples per pixel, and turns VTK's bottom row first into ours.
Canvas reduced(vtkUnsignedCharArray* rgb, int width, int height) {
  Canvas canvas(width, height, {0, 0, 0});
  const std::size_t row = static_cast<std::size_t>(width) * kOversampling * 3;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      std::array<int, 3> sum{};
      for (int v = 0; v < kOversampling; ++v)
        for (int u = 0; u < kOversampling; ++u) {
          const std::uint8_t* p = rgb->GetPointer(0) +
                                  static_cast<std::size_t>((height - 1 - y) * kOversampling + v) * row +
                                  static_cast<std::size_t>(x * kOversampling + u) * 3;
          for (std::size_t c = 0; c < 3; ++c) sum[c] += p[c];
        }
      Rgb mean{};
      for (std::size_t c = 0; c < 3; ++c) mean[c] = static_cast<std::uint8_t>(sum[c] / (kOversampling * kOversampling));
      canvas.set(x, y, mean);
    }
  return canvas;
}

}  // namespace

bool write_surface_view(const std::string& path, const Scene& scene, std::string& why_not) {
  const SilentVtk silent;
  std::vector<Surface> surfaces = class_surfaces(scene);
  surfaces.push_back(body_surface(scene));
  const VirtualDisplay display;
  if (!display.connection()) {
    why_not = display.why_not();
    return false;
  }

  vtkNew<vtkRenderWindow> window;
  // With no observer of this event VTK aborts the process where there is no usable GLX.
  vtkNew<vtkCallbackCommand> no_abort;
  window->AddObserver(vtkCommand::ExitEvent, no_abort);
  window->SetDisplayId(display.connection());
  window->SetOffScreenRendering(1);
  window->SetMultiSamples(0);
  window->SetAlphaBitPlanes(1);
  window->SetSize(2 * kSide * kOversampling, kSide * kOversampling);
  std::vector<vtkSmartPointer<vtkRenderer>> renderers;
  for (std::size_t i = 0; i < kAspects.size(); ++i) {
    auto renderer = vtkSmartPointer<vtkRenderer>::New();
    renderer->SetViewport(0.5 * static_cast<double>(i), 0, 0.5 * static_cast<double>(i + 1), 1);
    renderer->SetBackground(0.055, 0.065, 0.085);
    renderer->SetBackground2(0.13, 0.155, 0.20);
    renderer->GradientBackgroundOn();
    renderer->SetUseDepthPeeling(1);
    renderer->SetMaximumNumberOfPeels(4);
    renderer->SetOcclusionRatio(0);
    double bounds[6] = {1e30, -1e30, 1e30, -1e30, 1e30, -1e30};
    for (const Surface& s : surfaces) {
      if (s.mesh->GetNumberOfPoints() == 0) continue;
      renderer->AddActor(actor_of(s));
      for (int a = 0; a < 3; ++a) {
        bounds[2 * a] = std::min(bounds[2 * a], s.mesh->GetBounds()[2 * a]);
        bounds[2 * a + 1] = std::max(bounds[2 * a + 1], s.mesh->GetBounds()[2 * a + 1]);
      }
    }
    if (bounds[0] > bounds[1]) {
      why_not = "there is no surface to show";
      return false;
    }
    look(renderer, kAspects[i], bounds);
    window->AddRenderer(renderer);
    renderers.push_back(renderer);
  }
  int gl_major = 0;
  int gl_minor = 0;
  if (auto* gl = vtkOpenGLRenderWindow::SafeDownCast(window)) {
    gl->Initialize();
    gl->GetOpenGLVersion(gl_major, gl_minor);
  }
  if (10 * gl_major + gl_minor < 32) {
    why_not = "the display has no OpenGL 3.2";
    return false;
  }
  window->Render();
  vtkNew<vtkUnsignedCharArray> rgb;
  window->GetPixelData(0, 0, 2 * kSide * kOversampling - 1, kSide * kOversampling - 1, 0, rgb);
  if (display.lost() || rgb->GetNumberOfValues() != vtkIdType{2} * kSide * kOversampling * kSide * kOversampling * 3) {
    why_not = "the picture could not be read back";
    return false;
  }

  Canvas canvas = reduced(rgb, 2 * kSide, kSide);
  for (std::size_t i = 0; i < kAspects.size(); ++i) {
    const int left = static_cast<int>(i) * kSide;
    canvas.text(left + 18, kSide / 2.0, kAspects[i].left, 24, kInk);
    canvas.text(left + kSide - 18, kSide / 2.0, kAspects[i].right, 24, kInk, Align::right);
    canvas.text(left + kSide / 2.0, 22, "H", 24, kInk, Align::center);
    canvas.text(left + kSide / 2.0, kSide - 50, "F", 24, kInk, Align::center);
    canvas.text(left + 18, 22, kAspects[i].title, 17, {160, 168, 178});
  }
  const Legend legend(scene, labels_shown(scene, -1), 2 * kSide - 36, 17);
  legend.paint(canvas, 18, kSide - 8 - legend.height());
  canvas.write_png(path);
  return true;
}

}  // namespace oncotome::render
