// The one place that includes napi.h; its settings come from CMakeLists.txt.
#pragma once

#include <napi.h>
