// SIMULATED. A stand-in for Huawei's libascendcl, libacl_op_compiler and libfmk_onnx_parser, for tests on machines without an Ascend card. It
// lets the real CANN provider of ONNX Runtime run: what the provider compiles is executed by ONNX Runtime's own CPU provider. It says nothing
// about what a card can do, how fast, or how precisely.
//
// What it does check: "device" memory is mapped twice, and the address handed out faults when the host touches it; memory belongs to the device
// that was current when it was made, and is refused on another; every byte that crosses is counted.
//
// Environment: SIMULATED_ACL_COUNTERS, a file that is mapped and holds the counters below, for each device; SIMULATED_ACL_DEVICES, how many (2);
// SIMULATED_ACL_SYNCHRONIZE, the code that waiting for a stream gives (0).
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "onnxruntime_c_api.h"

// Vendor error codes.
enum { OK = 0, NO_DEVICE = 107001, WRONG_ADDRESS = 107002, NO_MEMORY = 207001, FAILED = 500002 };

// ---- counters: npusim.go reads them in this order ----

struct Counters { long to_device, copies_to, from_device, copies_from, on_device, executions, models_made, models_now, bytes_now, bytes_peak; };
static const int max_devices = 8;
static Counters* counters = [] {
  static Counters own[max_devices];
  const char* file = getenv("SIMULATED_ACL_COUNTERS");
  if (!file) return own;
  int fd = open(file, O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate(fd, sizeof own)) { perror("simulated libascendcl: SIMULATED_ACL_COUNTERS"); abort(); }
  void* p = mmap(nullptr, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return p == MAP_FAILED ? own : (Counters*)p;
}();
static int devices() {
  const char* n = getenv("SIMULATED_ACL_DEVICES");
  return n ? atoi(n) : 2;
}
static thread_local int current = 0;
static Counters& count() { return counters[current]; }

// ---- memory ----

struct Block { char* alias; size_t size; int device; };
static std::mutex mu;
static std::map<char*, Block> blocks;

// real gives the address behind one of the current device's, or the same for the host's; null for another device's.
static char* real(const void* p) {
  std::lock_guard<std::mutex> l(mu);
  auto it = blocks.upper_bound((char*)p);
  if (it == blocks.begin()) return (char*)p;
  --it;
  if ((char*)p >= it->first + it->second.size) return (char*)p;
  if (it->second.device != current) return nullptr;
  return it->second.alias + ((char*)p - it->first);
}

static int copy(void* to, const void* from, size_t n, int kind) {
  char *d = real(to), *s = real(from);
  if (!d || !s || (d == to && s == from && kind != 0)) return WRONG_ADDRESS;
  if (kind == 1) count().to_device += n, count().copies_to++;
  else if (kind == 2) count().from_device += n, count().copies_from++;
  else count().on_device += n;
  memmove(d, s, n);
  return OK;
}

// ---- models ----

static char error[2048];
static const OrtApi* api;
static OrtEnv* env;
static OrtMemoryInfo* cpu;

static int fail(OrtStatus* s) {
  snprintf(error, sizeof error, "simulated: %s", api->GetErrorMessage(s));
  api->ReleaseStatus(s);
  return FAILED;
}
#define TRY(call) do { if (OrtStatus* s_ = (call)) return fail(s_); } while (0)

struct Port { std::string name; std::vector<int64_t> dims; ONNXTensorElementDataType type; };
struct Model { OrtSession* session; std::vector<Port> in, out; int device; };
static std::map<uint32_t, Model> models;
static uint32_t last_model;

static size_t bytes(const Port& p) {
  size_t n;
  switch (p.type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE: case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64: case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64: n = 8; break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32: case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32: n = 4; break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16: case ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16: case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16: n = 2; break;
    default: n = 1;
  }
  for (int64_t d : p.dims) n *= d;
  return n;
}

static int ports(OrtSession* s, bool output, std::vector<Port>& to) {
  OrtAllocator* al;
  size_t n;
  TRY(api->GetAllocatorWithDefaultOptions(&al));
  TRY(output ? api->SessionGetOutputCount(s, &n) : api->SessionGetInputCount(s, &n));
  for (size_t i = 0; i < n; i++) {
    char* name;
    OrtTypeInfo* type;
    const OrtTensorTypeAndShapeInfo* shape;
    size_t rank;
    Port p;
    TRY(output ? api->SessionGetOutputName(s, i, al, &name) : api->SessionGetInputName(s, i, al, &name));
    TRY(output ? api->SessionGetOutputTypeInfo(s, i, &type) : api->SessionGetInputTypeInfo(s, i, &type));
    TRY(api->CastTypeInfoToTensorInfo(type, &shape));
    TRY(api->GetDimensionsCount(shape, &rank));
    p.name = name;
    p.dims.resize(rank);
    TRY(api->GetDimensions(shape, p.dims.data(), rank));
    TRY(api->GetTensorElementType(shape, &p.type));
    to.push_back(p);
    api->ReleaseTypeInfo(type);
    TRY(api->AllocatorFree(al, name));
  }
  return OK;
}

// load makes a session in the ONNX Runtime that the provider belongs to.
static int load(const void* model, size_t n, uint32_t* id) {
  if (!api) {
    void* h = dlopen("libonnxruntime.so.1", RTLD_NOW | RTLD_NOLOAD);
    auto base = h ? (const OrtApiBase* (*)())dlsym(h, "OrtGetApiBase") : nullptr;
    if (!base || !(api = base()->GetApi(17))) { snprintf(error, sizeof error, "simulated: no ONNX Runtime in this process"); return FAILED; }
    TRY(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "simulated", &env));
    TRY(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &cpu));
  }
  Model m;
  m.device = current;
  OrtSessionOptions* so;
  TRY(api->CreateSessionOptions(&so));
  OrtStatus* s = api->CreateSessionFromArray(env, model, n, so, &m.session);
  api->ReleaseSessionOptions(so);
  if (s) return fail(s);
  if (int e = ports(m.session, false, m.in)) return e;
  if (int e = ports(m.session, true, m.out)) return e;
  std::lock_guard<std::mutex> l(mu);
  models[*id = ++last_model] = m;
  count().models_made++, count().models_now++;
  return OK;
}

struct Buffer { void* p; size_t n; };
typedef std::vector<Buffer*> Dataset;

static int execute(uint32_t id, const Dataset* in, const Dataset* out) {
  Model* m;
  { std::lock_guard<std::mutex> l(mu); m = &models.at(id); }
  if (m->device != current) { snprintf(error, sizeof error, "simulated: the model is on device %d, the current one is %d", m->device, current); return FAILED; }
  count().executions++;
  std::vector<OrtValue*> values[2];
  std::vector<const char*> names[2];
  OrtStatus* s = nullptr;
  for (int o = 0; o < 2 && !s; o++) {
    const auto& list = o ? m->out : m->in;
    for (size_t i = 0; i < list.size() && !s; i++) {
      char* p = real((*(o ? out : in))[i]->p);
      OrtValue* v = nullptr;
      if (!p) s = api->CreateStatus(ORT_FAIL, "memory of another device");
      else s = api->CreateTensorWithDataAsOrtValue(cpu, p, bytes(list[i]), list[i].dims.data(), list[i].dims.size(), list[i].type, &v);
      if (v) values[o].push_back(v);
      names[o].push_back(list[i].name.c_str());
    }
  }
  if (!s) s = api->Run(m->session, nullptr, names[0].data(), values[0].data(), values[0].size(), names[1].data(), names[1].size(), values[1].data());
  for (auto& list : values) for (auto v : list) api->ReleaseValue(v);
  return s ? fail(s) : OK;
}

// ---- the vendor's C++ names: a graph is the ONNX text that it was parsed from, and is "built" by keeping it ----

namespace ge {
class AscendString { public: AscendString(const char*); bool operator<(const AscendString&) const; std::shared_ptr<std::string> name; };
AscendString::AscendString(const char* s) : name(std::make_shared<std::string>(s ? s : "")) {}
bool AscendString::operator<(const AscendString& o) const { return *name < *o.name; }
class GraphImpl { public: std::string onnx; };
class Graph { public: Graph(const char*); std::shared_ptr<GraphImpl> impl; };
Graph::Graph(const char*) : impl(std::make_shared<GraphImpl>()) {}
struct ModelBufferData { std::shared_ptr<uint8_t> data; uint64_t length; };
typedef std::map<AscendString, AscendString> Options;
uint32_t aclgrphBuildInitialize(Options&) { return OK; }
void aclgrphBuildFinalize() {}
uint32_t aclgrphParseONNXFromMem(const char* text, size_t n, const Options&, Graph& g) { g.impl->onnx.assign(text, n); return OK; }
uint32_t aclgrphBuildModel(const Graph& g, const Options&, ModelBufferData& m) {
  m.length = g.impl->onnx.size();
  m.data.reset(new uint8_t[m.length], std::default_delete<uint8_t[]>());
  memcpy(m.data.get(), g.impl->onnx.data(), m.length);
  return OK;
}
uint32_t aclgrphSaveModel(const char* file, const ModelBufferData&) { snprintf(error, sizeof error, "simulated: asked to write %s", file); return FAILED; }
}  // namespace ge

// ---- the vendor's C functions that the provider calls ----

extern "C" {
typedef void* Pointer;
int aclInit(const char*) { return OK; }
int aclFinalize() { return OK; }
const char* aclGetRecentErrMsg() { return *error ? error : nullptr; }
int aclrtGetDeviceCount(uint32_t* n) { *n = devices(); return OK; }
int aclrtSetDevice(int32_t d) {
  if (d < 0 || d >= devices() || d >= max_devices) { snprintf(error, sizeof error, "simulated: no device %d", d); return NO_DEVICE; }
  current = d;
  return OK;
}
int aclrtGetDevice(int32_t* d) { *d = current; return OK; }
const char* aclrtGetSocName() { return "SimulatedAscend"; }
int aclrtMalloc(Pointer* p, size_t n, int) {
  size_t size = (n + 4095) / 4096 * 4096;
  if (!size) size = 4096;
  int fd = memfd_create("simulated-npu", 0);
  if (fd < 0 || ftruncate(fd, size)) return NO_MEMORY;
  char* address = (char*)mmap(nullptr, size, PROT_NONE, MAP_SHARED, fd, 0);
  char* alias = (char*)mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (address == MAP_FAILED || alias == MAP_FAILED) return NO_MEMORY;
  std::lock_guard<std::mutex> l(mu);
  blocks[address] = {alias, size, current};
  *p = address;
  count().bytes_now += size;
  if (count().bytes_now > count().bytes_peak) count().bytes_peak = count().bytes_now;
  return OK;
}
int aclrtFree(Pointer p) {
  std::lock_guard<std::mutex> l(mu);
  auto it = blocks.find((char*)p);
  if (it == blocks.end()) return WRONG_ADDRESS;
  counters[it->second.device].bytes_now -= it->second.size;
  munmap(it->first, it->second.size);
  munmap(it->second.alias, it->second.size);
  blocks.erase(it);
  return OK;
}
int aclrtMallocHost(Pointer* p, size_t n) { *p = aligned_alloc(64, (n + 63) / 64 * 64); return *p ? OK : NO_MEMORY; }
int aclrtFreeHost(Pointer p) { free(p); return OK; }
int aclrtMemcpy(Pointer to, size_t, const void* from, size_t n, int kind) { return copy(to, from, n, kind); }
int aclrtMemcpyAsync(Pointer to, size_t, const void* from, size_t n, int kind, Pointer) { return copy(to, from, n, kind); }
int aclrtMemsetAsync(Pointer to, size_t, int32_t v, size_t n, Pointer) {
  char* p = real(to);
  if (!p) return WRONG_ADDRESS;
  memset(p, v, n);
  return OK;
}
int aclrtCreateStream(Pointer* s) { *s = malloc(8); return OK; }
int aclrtDestroyStream(Pointer s) { free(s); return OK; }
int aclrtSynchronizeStream(Pointer) {
  const char* code = getenv("SIMULATED_ACL_SYNCHRONIZE");
  return code ? atoi(code) : OK;
}
int aclrtSynchronizeDevice() { return OK; }
int aclrtCreateEvent(Pointer* e) { *e = malloc(8); return OK; }
int aclrtDestroyEvent(Pointer e) { free(e); return OK; }
int aclrtRecordEvent(Pointer, Pointer) { return OK; }
int aclrtStreamWaitEvent(Pointer, Pointer) { return OK; }
int aclrtSynchronizeEvent(Pointer) { return OK; }

Buffer* aclCreateDataBuffer(Pointer p, size_t n) { return new Buffer{p, n}; }
int aclDestroyDataBuffer(const Buffer* b) { delete b; return OK; }
Pointer aclGetDataBufferAddr(const Buffer* b) { return b->p; }
Dataset* aclmdlCreateDataset() { return new Dataset; }
int aclmdlDestroyDataset(const Dataset* s) { delete s; return OK; }
int aclmdlAddDatasetBuffer(Dataset* s, Buffer* b) { s->push_back(b); return OK; }
Buffer* aclmdlGetDatasetBuffer(const Dataset* s, size_t i) { return (*s)[i]; }
Pointer aclmdlGetDatasetTensorDesc(const Dataset*, size_t) { return nullptr; }

struct TensorDesc { std::vector<int64_t> dims; };
TensorDesc* aclCreateTensorDesc(int, int n, const int64_t* dims, int) { return new TensorDesc{std::vector<int64_t>(dims, dims + n)}; }
void aclDestroyTensorDesc(const TensorDesc* t) { delete t; }
size_t aclGetTensorDescSize(const TensorDesc*) { return 0; }
size_t aclGetTensorDescNumDims(const TensorDesc* t) { return t->dims.size(); }
int aclGetTensorDescDimV2(const TensorDesc* t, size_t i, int64_t* v) { *v = t->dims[i]; return OK; }
int aclSetTensorConst(TensorDesc*, Pointer, size_t) { return OK; }
size_t aclDataTypeSize(int) { return 4; }

struct ModelDesc { uint32_t id; };
struct IODims { char name[128]; size_t count; int64_t dims[128]; };
ModelDesc* aclmdlCreateDesc() { return new ModelDesc; }
int aclmdlDestroyDesc(ModelDesc* d) { delete d; return OK; }
int aclmdlGetDesc(ModelDesc* d, uint32_t id) { d->id = id; return OK; }
size_t aclmdlGetNumInputs(ModelDesc* d) { return models.at(d->id).in.size(); }
size_t aclmdlGetNumOutputs(ModelDesc* d) { return models.at(d->id).out.size(); }
size_t aclmdlGetInputSizeByIndex(ModelDesc* d, size_t i) { return bytes(models.at(d->id).in[i]); }
size_t aclmdlGetOutputSizeByIndex(ModelDesc* d, size_t i) { return bytes(models.at(d->id).out[i]); }
int aclmdlGetOutputDims(const ModelDesc* d, size_t i, IODims* o) {
  const auto& dims = models.at(d->id).out[i].dims;
  memset(o, 0, sizeof *o);
  o->count = dims.size();
  for (size_t k = 0; k < dims.size(); k++) o->dims[k] = dims[k];
  return OK;
}
int aclmdlLoadFromMem(const void* p, size_t n, uint32_t* id) { return load(p, n, id); }
int aclmdlLoadFromFile(const char* file, uint32_t*) { snprintf(error, sizeof error, "simulated: asked to read %s", file); return FAILED; }
int aclmdlUnload(uint32_t id) {
  std::lock_guard<std::mutex> l(mu);
  auto it = models.find(id);
  if (it == models.end()) return WRONG_ADDRESS;
  counters[it->second.device].models_now--;
  api->ReleaseSession(it->second.session);
  models.erase(it);
  return OK;
}
int aclmdlExecute(uint32_t id, const Dataset* in, Dataset* out) { return execute(id, in, out); }
int aclmdlExecuteAsync(uint32_t id, const Dataset* in, Dataset* out, Pointer) { return execute(id, in, out); }

// Single operators are not simulated: graphs are to be taken as subgraphs.
Pointer aclopCreateAttr() { return malloc(8); }
void aclopDestroyAttr(Pointer p) { free(p); }
int aclopSetAttrBool(Pointer, const char*, uint8_t) { return OK; }
int aclopSetAttrFloat(Pointer, const char*, float) { return OK; }
int aclopSetAttrInt(Pointer, const char*, int64_t) { return OK; }
int aclopSetAttrListInt(Pointer, const char*, int, const int64_t*) { return OK; }
int aclopSetAttrString(Pointer, const char*, const char*) { return OK; }
int aclopCompileAndExecute(const char* op, ...) { snprintf(error, sizeof error, "simulated: single operator %s", op); return FAILED; }
}
