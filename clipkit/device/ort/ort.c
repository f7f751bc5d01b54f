#define _GNU_SOURCE
#include "ort.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ONNX Runtime's functions, under their own names.
static const void* const* real;
static OrtEnv* env;
static int minor; // of version 1.minor
static char version[64];
static const void* table[ORT_PLACES_17]; // real, with sessions made and released here
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

#define X(place, result, name, parameters) typedef result(*name##_fn) parameters;
ORT_FUNCTIONS(X)
#undef X
#define X(place, result, name, parameters) place_##name = place,
enum { ORT_FUNCTIONS(X) };
#undef X
#define ORT(name) ((name##_fn)real[place_##name])
#define TRY(call) do { OrtStatus* failed_ = (call); if (failed_) { status = failed_; goto done; } } while (0)

static char* text(const char* format, ...) {
  va_list a; char* s = NULL;
  va_start(a, format);
  if (vasprintf(&s, format, a) < 0) s = NULL;
  va_end(a);
  return s;
}

static OrtStatus* fail(const char* format, ...) {
  char s[1024]; va_list a;
  va_start(a, format);
  vsnprintf(s, sizeof s, format, a);
  va_end(a);
  return ORT(CreateStatus)(ort_fail, s);
}

// ---- log: the cause of a failure is often said only there ----

static pthread_mutex_t log_mu = PTHREAD_MUTEX_INITIALIZER;
static char said[4096];
static int show = 5;

static void log_line(void* param, OrtLoggingLevel level, const char* category, const char* id, const char* where, const char* message) {
  (void)param, (void)category, (void)id, (void)where;
  pthread_mutex_lock(&log_mu);
  size_t used = strlen(said);
  if (level >= ort_error && used + 3 < sizeof said) snprintf(said + used, sizeof said - used, "%s%s", used ? "; " : "", message);
  if ((int)level >= show) fprintf(stderr, "onnxruntime: %s\n", message);
  pthread_mutex_unlock(&log_mu);
}

void ort_show(int level) { show = level; }
void ort_hush(void) { pthread_mutex_lock(&log_mu); said[0] = 0; pthread_mutex_unlock(&log_mu); }
char* ort_said(void) { pthread_mutex_lock(&log_mu); char* s = strdup(said); pthread_mutex_unlock(&log_mu); return s; }

char* ort_message(OrtStatus* s) {
  char* m = strdup(ORT(GetErrorMessage)(s));
  ORT(ReleaseStatus)(s);
  return m;
}

// ---- the runtime, and the table that compute-onnx gets ----

// While compute-onnx turns a graph into a model, the session that it wants to go with it is this one. Thread by thread: another may be making
// real sessions for the "cpu:onnx" device.
static _Thread_local int exporting;
static char empty_session;

static OrtStatus* table_session(const OrtEnv* e, const void* model, size_t n, const OrtSessionOptions* o, OrtSession** out) {
  if (!exporting) return ORT(CreateSessionFromArray)(e, model, n, o, out);
  *out = (OrtSession*)&empty_session;
  return NULL;
}
static void table_release(OrtSession* s) {
  if ((char*)s != &empty_session) ORT(ReleaseSession)(s);
}

void ort_export(int on) { exporting = on; }
void* ort_table(void) { return (void*)table; }
void* ort_env(void) { return env; }
int ort_minor(void) { return minor; }
const char* ort_version(void) { return version; }

static void use(const void* const* api) {
  real = api;
  memcpy(table, real, sizeof table);
  table[place_CreateSessionFromArray] = (const void*)table_session;
  table[place_ReleaseSession] = (const void*)table_release;
}

char* ort_load(const char* library, int log) {
  char* error = NULL;
  pthread_mutex_lock(&mu);
  if (real) goto done;
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  const OrtApiBase* (*get)(void) = handle ? (const OrtApiBase* (*)(void))dlsym(handle, "OrtGetApiBase") : NULL;
  if (!get) { error = text("%s", dlerror()); goto done; }
  const OrtApiBase* base = get();
  snprintf(version, sizeof version, "%s", base->GetVersionString());
  int v = 0;
  if (sscanf(version, "1.%d", &v) != 1 || v < 17) { error = text("%s: it is version %s, this needs 1.17 or later", library, version); goto done; }
  const void* const* api = base->GetApi((uint32_t)v); // asking for more than it has makes it print
  if (!api) { error = text("%s: version %s has no API %d", library, version, v); goto done; }
  minor = v;
  use(api);
  OrtStatus* s = ORT(CreateEnvWithCustomLogger)(log_line, NULL, (OrtLoggingLevel)log, "clipkit", &env);
  if (s) { error = ort_message(s); real = NULL; }
done:
  pthread_mutex_unlock(&mu);
  return error;
}

// ---- sessions ----

static OrtStatus* append_cann(OrtSessionOptions* so, const ort_provider* p) {
  OrtCANNProviderOptions* c = NULL;
  OrtStatus* status = NULL;
  TRY(ORT(CreateCANNProviderOptions)(&c));
  TRY(ORT(UpdateCANNProviderOptions)(c, p->keys, p->values, p->options));
  TRY(ORT(SessionOptionsAppendExecutionProvider_CANN)(so, c));
done:
  if (c) ORT(ReleaseCANNProviderOptions)(c);
  return status;
}

static const char* kind_name(OrtHardwareDeviceType t) { return t == ort_cpu ? "CPU" : t == ort_gpu ? "GPU" : "NPU"; }

// The library's n-th device of the wanted kind. Devices that are there without any library are ONNX Runtime's own.
static OrtStatus* plugin_device(const ort_provider* p, const OrtEpDevice** out) {
  static struct { char* library; size_t first, end; } libraries[16];
  static size_t known;
  OrtStatus* status = NULL;
  const OrtEpDevice* const* devices;
  size_t n, at, seen = 0;
  char list[512] = "";
  *out = NULL;
  if (minor < ORT_HAS_PLUGINS) return fail("ONNX Runtime %s is too old for plugin providers, 1.%d or later has them", version, ORT_HAS_PLUGINS);
  pthread_mutex_lock(&mu);
  for (at = 0; at < known && strcmp(libraries[at].library, p->library); at++) {}
  if (at == known) {
    char name[32];
    if (known == 16) { status = fail("more than 16 plugin libraries in one process"); goto done; }
    snprintf(name, sizeof name, "clipkit%zu", known);
    TRY(ORT(GetEpDevices)(env, &devices, &libraries[at].first));
    TRY(ORT(RegisterExecutionProviderLibrary)(env, name, p->library));
    TRY(ORT(GetEpDevices)(env, &devices, &libraries[at].end));
    libraries[at].library = strdup(p->library);
    known++;
  }
  TRY(ORT(GetEpDevices)(env, &devices, &n));
  for (size_t i = libraries[at].first; i < libraries[at].end && i < n; i++) {
    OrtHardwareDeviceType t = ORT(HardwareDevice_Type)(ORT(EpDevice_Device)(devices[i]));
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s on %s", used ? ", " : "", ORT(EpDevice_EpName)(devices[i]), kind_name(t));
    if ((int)t == p->kind && (int)seen++ == p->index) *out = devices[i];
  }
  if (!*out) {
    const char* wanted = kind_name((OrtHardwareDeviceType)p->kind);
    status = fail("%s offers no %s device of index %d here; it offers: %s", p->library, wanted, p->index, *list ? list : "none");
  }
done:
  pthread_mutex_unlock(&mu);
  return status;
}

static OrtStatus* append(OrtSessionOptions* so, const ort_provider* p) {
  if (!*p->name) return NULL;
  if (!strcmp(p->name, "CANN")) return append_cann(so, p);
  if (strcmp(p->name, "plugin")) return ORT(SessionOptionsAppendExecutionProvider)(so, p->name, p->keys, p->values, p->options);
  const OrtEpDevice* device;
  OrtStatus* s = plugin_device(p, &device);
  return s ? s : ORT(SessionOptionsAppendExecutionProvider_V2)(so, env, &device, 1, p->keys, p->values, p->options);
}

OrtStatus* ort_session(const void* model, size_t n, const ort_provider* p, OrtSession** out) {
  OrtSessionOptions* so = NULL;
  OrtStatus* status = NULL;
  TRY(ORT(CreateSessionOptions)(&so));
  TRY(ORT(SetSessionLogSeverityLevel)(so, p->log));
  if (p->threads) TRY(ORT(SetIntraOpNumThreads)(so, p->threads));
  if (minor >= ORT_HAS_ASSIGNMENT) TRY(ORT(AddSessionConfigEntry)(so, "session.record_ep_graph_assignment_info", "1"));
  for (size_t i = 0; i < p->configs; i++) TRY(ORT(AddSessionConfigEntry)(so, p->config_keys[i], p->config_values[i]));
  TRY(append(so, p));
  if (n) TRY(ORT(CreateSessionFromArray)(env, model, n, so, out));
  else TRY(ORT(CreateSession)(env, model, so, out));
done:
  if (so) ORT(ReleaseSessionOptions)(so);
  return status;
}

void ort_release_session(OrtSession* s) { ORT(ReleaseSession)(s); }

OrtStatus* ort_placement(const OrtSession* s, char** out) {
  OrtStatus* status = NULL;
  const OrtEpAssignedSubgraph* const* graphs;
  size_t n, size = 0;
  FILE* to = NULL;
  *out = NULL;
  if (minor < ORT_HAS_ASSIGNMENT) return NULL;
  TRY(ORT(Session_GetEpGraphAssignmentInfo)(s, &graphs, &n));
  to = open_memstream(out, &size);
  for (size_t i = 0; i < n; i++) {
    const char* name;
    const OrtEpAssignedNode* const* nodes;
    size_t count;
    TRY(ORT(EpAssignedSubgraph_GetEpName)(graphs[i], &name));
    TRY(ORT(EpAssignedSubgraph_GetNodes)(graphs[i], &nodes, &count));
    fprintf(to, "%s", name);
    for (size_t k = 0; k < count; k++) {
      const char* op;
      TRY(ORT(EpAssignedNode_GetOperatorType)(nodes[k], &op));
      fprintf(to, " %s", op);
    }
    fputc('\n', to);
  }
done:
  if (to) fclose(to);
  return status;
}

// ---- memory ----

struct ort_memory {
  const OrtMemoryInfo* info;
  OrtMemoryInfo* own;      // info, where it is ours to free
  OrtAllocator* allocator; // of the provider
  OrtAllocator* made;      // allocator, where it is ours to free
  int host, index;
  int (*acl_copy)(void*, size_t, const void*, size_t, int); // of Ascend's runtime
  int (*acl_device)(int32_t);
};

// Copies to and from an Ascend device go through the runtime that the provider itself has loaded.
static OrtStatus* ascend(ort_memory* m) {
  void* h = dlopen("libascendcl.so", RTLD_NOW | RTLD_NOLOAD);
  if (h) {
    m->acl_copy = (int (*)(void*, size_t, const void*, size_t, int))dlsym(h, "aclrtMemcpy");
    m->acl_device = (int (*)(int32_t))dlsym(h, "aclrtSetDevice");
    dlclose(h);
  }
  return m->acl_copy && m->acl_device ? NULL : fail("libascendcl.so has no aclrtMemcpy or aclrtSetDevice");
}

OrtStatus* ort_memory_new(const ort_provider* p, const OrtSession* s, ort_memory** out) {
  OrtStatus* status = NULL;
  ort_memory* m = calloc(1, sizeof *m);
  m->index = p->index;
  if (!strcmp(p->name, "CANN")) {
    if (minor < ORT_HAS_PLUGINS) { status = fail("ONNX Runtime %s cannot name an NPU's memory, 1.%d or later can", version, ORT_HAS_PLUGINS); goto done; }
    TRY(ascend(m));
    TRY(ORT(CreateMemoryInfo_V2)("Cann", ort_npu_memory, 0x19e5 /* Huawei's PCI vendor number */, p->index, ort_default_memory, 0, ort_device_allocator, &m->own));
    m->info = m->own;
  } else if (!strcmp(p->name, "plugin")) {
    const OrtEpDevice* device;
    TRY(plugin_device(p, &device));
    m->info = ORT(EpDevice_MemoryInfo)(device, ort_default_memory);
  }
  if (m->info) {
    TRY(ORT(CreateAllocator)(s, m->info, &m->made));
    m->allocator = m->made;
  } else {
    m->host = 1;
    TRY(ORT(CreateCpuMemoryInfo)(ort_device_allocator, ort_default, &m->own));
    m->info = m->own;
    TRY(ORT(GetAllocatorWithDefaultOptions)(&m->allocator));
  }
done:
  if (status) ort_memory_free(m);
  else *out = m;
  return status;
}

int ort_memory_is_host(const ort_memory* m) { return m->host; }

void ort_memory_free(ort_memory* m) {
  if (m->made) ORT(ReleaseAllocator)(m->made);
  if (m->own) ORT(ReleaseMemoryInfo)(m->own);
  free(m);
}

// An Ascend thread has a current device.
static void enter(ort_memory* m) { if (m->acl_device) m->acl_device(m->index); }

OrtStatus* ort_value(ort_memory* m, const int64_t* dims, size_t rank, int type, OrtValue** out) {
  enter(m);
  return ORT(CreateTensorAsOrtValue)(m->allocator, dims, rank, (ONNXTensorElementDataType)type, out);
}

void ort_release_value(ort_memory* m, OrtValue* v) { enter(m); ORT(ReleaseValue)(v); }
OrtStatus* ort_data(OrtValue* v, void** out) { return ORT(GetTensorMutableData)(v, out); }

OrtStatus* ort_shape(const OrtValue* v, int* type, int64_t* dims, size_t* rank) {
  OrtTensorTypeAndShapeInfo* info = NULL;
  OrtStatus* status = NULL;
  ONNXTensorElementDataType kind;
  size_t n, most = *rank;
  TRY(ORT(GetTensorTypeAndShape)(v, &info));
  TRY(ORT(GetTensorElementType)(info, &kind));
  TRY(ORT(GetDimensionsCount)(info, &n));
  if (n > most) { status = fail("a tensor of %zu axes, at most %zu can be read", n, most); goto done; }
  TRY(ORT(GetDimensions)(info, dims, n));
  *type = (int)kind;
  *rank = n;
done:
  if (info) ORT(ReleaseTensorTypeAndShapeInfo)(info);
  return status;
}

OrtStatus* ort_copy(ort_memory* m, int in, OrtValue* v, void* host, size_t bytes, const int64_t* dims, size_t rank, int type) {
  OrtStatus* status = NULL;
  OrtMemoryInfo* cpu = NULL;
  OrtValue* h = NULL;
  void* data;
  if (!bytes) return NULL;
  if (m->host || m->acl_copy) {
    TRY(ORT(GetTensorMutableData)(v, &data));
    if (m->host) {
      memcpy(in ? data : host, in ? host : data, bytes);
      return NULL;
    }
    int code = m->acl_device(m->index);
    if (!code) code = m->acl_copy(in ? data : host, bytes, in ? host : data, bytes, in ? 1 : 2); // ACL_MEMCPY_HOST_TO_DEVICE, …DEVICE_TO_HOST
    return code ? fail("aclrtMemcpy of %zu bytes %s device %d failed with %d", bytes, in ? "to" : "from", m->index, code) : NULL;
  }
  TRY(ORT(CreateCpuMemoryInfo)(ort_device_allocator, ort_default, &cpu));
  TRY(ORT(CreateTensorWithDataAsOrtValue)(cpu, host, bytes, dims, rank, (ONNXTensorElementDataType)type, &h));
  const OrtValue* from = in ? h : v;
  OrtValue* to = in ? v : h;
  TRY(ORT(CopyTensors)(env, &from, &to, NULL, 1));
done:
  if (h) ORT(ReleaseValue)(h);
  if (cpu) ORT(ReleaseMemoryInfo)(cpu);
  return status;
}

OrtStatus* ort_run(OrtSession* s, ort_memory* m, const char** in_names, OrtValue** in, size_t ins, const char** out_names, OrtValue** out, size_t outs) {
  OrtStatus* status = NULL;
  OrtIoBinding* b = NULL;
  OrtAllocator* cpu;
  OrtValue** values = NULL;
  size_t n = 0;
  enter(m);
  TRY(ORT(CreateIoBinding)(s, &b));
  for (size_t i = 0; i < ins; i++) TRY(ORT(BindInput)(b, in_names[i], in[i]));
  for (size_t i = 0; i < outs; i++) TRY(ORT(BindOutputToDevice)(b, out_names[i], m->info));
  TRY(ORT(RunWithBinding)(s, NULL, b));
  TRY(ORT(GetAllocatorWithDefaultOptions)(&cpu));
  TRY(ORT(GetBoundOutputValues)(b, cpu, &values, &n));
  if (n == outs) {
    memcpy(out, values, n * sizeof *out);
  } else {
    for (size_t i = 0; i < n; i++) ORT(ReleaseValue)(values[i]);
    status = fail("%zu outputs came back, expected %zu", n, outs);
  }
  OrtStatus* freed = ORT(AllocatorFree)(cpu, values);
  if (freed) ORT(ReleaseStatus)(freed);
done:
  if (b) ORT(ReleaseIoBinding)(b);
  return status;
}
