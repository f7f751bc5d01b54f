// SIMULATED. A plugin provider for ONNX Runtime with two made-up NPUs, for tests of "npu:PATH.so". It takes products of float32 matrices and leaves
// the rest to the processor, so that data goes to and fro. Its memory, as simulated_ascendcl.cc's, faults when the host touches it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "onnxruntime_c_api.h"

static const OrtApi* api;
static const OrtEpApi* ep_api;
static const char* provider_name = "SimulatedNPUExecutionProvider";
static const uint32_t vendor = 0x51A1;
#define TRY(call) do { if (OrtStatus* s_ = (call)) return s_; } while (0)

// ---- memory ----

static std::mutex mu;
static std::map<char*, std::pair<char*, size_t>> blocks;

static char* real(const void* p) {
  std::lock_guard<std::mutex> l(mu);
  auto it = blocks.upper_bound((char*)p);
  if (it == blocks.begin()) return (char*)p;
  --it;
  return (char*)p < it->first + it->second.second ? it->second.first + ((char*)p - it->first) : (char*)p;
}

struct Allocator : OrtAllocator {
  const OrtMemoryInfo* info;
  explicit Allocator(const OrtMemoryInfo* i) : OrtAllocator{}, info(i) {
    version = ORT_API_VERSION;
    Alloc = [](OrtAllocator*, size_t n) -> void* {
      size_t size = (n + 4095) / 4096 * 4096;
      if (!size) return nullptr;
      int fd = memfd_create("simulated-plugin", 0);
      if (fd < 0 || ftruncate(fd, size)) return nullptr;
      char* address = (char*)mmap(nullptr, size, PROT_NONE, MAP_SHARED, fd, 0);
      char* alias = (char*)mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      close(fd);
      std::lock_guard<std::mutex> l(mu);
      blocks[address] = {alias, size};
      return address;
    };
    Free = [](OrtAllocator*, void* p) {
      std::lock_guard<std::mutex> l(mu);
      auto it = blocks.find((char*)p);
      if (it == blocks.end()) return;
      munmap(it->first, it->second.second);
      munmap(it->second.first, it->second.second);
      blocks.erase(it);
    };
    Info = [](const OrtAllocator* a) { return ((const Allocator*)a)->info; };
  }
};

struct Transfer : OrtDataTransferImpl {
  Transfer() : OrtDataTransferImpl{} {
    ort_version_supported = ORT_API_VERSION;
    Release = [](OrtDataTransferImpl* t) noexcept { delete (Transfer*)t; };
    CanCopy = [](const OrtDataTransferImpl*, const OrtMemoryDevice* from, const OrtMemoryDevice* to) noexcept {
      auto ours = [](const OrtMemoryDevice* d) { return ep_api->MemoryDevice_GetVendorId(d) == vendor && ep_api->MemoryDevice_GetDeviceType(d) == OrtMemoryInfoDeviceType_NPU; };
      auto host = [](const OrtMemoryDevice* d) { return ep_api->MemoryDevice_GetDeviceType(d) == OrtMemoryInfoDeviceType_CPU; };
      return (ours(from) || ours(to)) && (ours(from) || host(from)) && (ours(to) || host(to));
    };
    CopyTensors = [](OrtDataTransferImpl*, const OrtValue** from, OrtValue** to, OrtSyncStream**, size_t n) noexcept -> OrtStatus* {
      for (size_t i = 0; i < n; i++) {
        const void* s;
        void* d;
        size_t size;
        TRY(api->GetTensorData(from[i], &s));
        TRY(api->GetTensorMutableData(to[i], &d));
        TRY(api->GetTensorSizeInBytes(from[i], &size));
        memcpy(real(d), real(s), size);
      }
      return nullptr;
    };
  }
};

static OrtStatus* shape_of(const OrtValue* v, std::vector<int64_t>& dims) {
  OrtTensorTypeAndShapeInfo* info;
  size_t rank;
  TRY(api->GetTensorTypeAndShape(v, &info));
  OrtStatus* s = api->GetDimensionsCount(info, &rank);
  if (!s) {
    dims.resize(rank);
    s = api->GetDimensions(info, dims.data(), rank);
  }
  api->ReleaseTensorTypeAndShapeInfo(info);
  return s;
}

// ---- copies between the device and the processor's nodes ----

struct Copy : OrtKernelImpl {
  Copy() : OrtKernelImpl{} {
    ort_version_supported = ORT_API_VERSION;
    Release = [](OrtKernelImpl* k) noexcept { delete (Copy*)k; };
    Compute = [](OrtKernelImpl*, OrtKernelContext* context) noexcept -> OrtStatus* {
      const OrtValue* in;
      OrtValue* out;
      const void* s;
      void* d;
      size_t size;
      std::vector<int64_t> dims;
      TRY(api->KernelContext_GetInput(context, 0, &in));
      TRY(shape_of(in, dims));
      TRY(api->KernelContext_GetOutput(context, 0, dims.data(), dims.size(), &out));
      TRY(api->GetTensorData(in, &s));
      TRY(api->GetTensorMutableData(out, &d));
      TRY(api->GetTensorSizeInBytes(in, &size));
      if (size) memcpy(real(d), real(s), size);
      return nullptr;
    };
  }
};

static OrtStatus* add_copy(OrtKernelRegistry* registry, const char* op, bool from_host) {
  OrtKernelDefBuilder* b;
  OrtKernelDef* def;
  const OrtDataType* types[4];
  const ONNXTensorElementDataType elements[] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL};
  for (int i = 0; i < 4; i++) TRY(ep_api->GetTensorDataType(elements[i], &types[i]));
  TRY(ep_api->CreateKernelDefBuilder(&b));
  TRY(ep_api->KernelDefBuilder_SetOperatorType(b, op));
  TRY(ep_api->KernelDefBuilder_SetDomain(b, ""));
  TRY(ep_api->KernelDefBuilder_SetSinceVersion(b, 1, 1));
  TRY(ep_api->KernelDefBuilder_SetExecutionProvider(b, provider_name));
  TRY(from_host ? ep_api->KernelDefBuilder_SetInputMemType(b, 0, OrtMemTypeCPUInput) : ep_api->KernelDefBuilder_SetOutputMemType(b, 0, OrtMemTypeCPUOutput));
  TRY(ep_api->KernelDefBuilder_AddTypeConstraint(b, "T", types, 4));
  TRY(ep_api->KernelDefBuilder_Build(b, &def));
  ep_api->ReleaseKernelDefBuilder(b);
  auto create = [](void*, const OrtKernelInfo*, OrtKernelImpl** out) -> OrtStatus* { *out = new Copy; return nullptr; };
  OrtStatus* s = ep_api->KernelRegistry_AddKernel(registry, def, create, nullptr);
  ep_api->ReleaseKernelDef(def);
  return s;
}

// ---- products ----

struct Product : OrtNodeComputeInfo {
  Product() : OrtNodeComputeInfo{} {
    ort_version_supported = ORT_API_VERSION;
    CreateState = [](OrtNodeComputeInfo*, OrtNodeComputeContext*, void** state) -> OrtStatus* { *state = nullptr; return nullptr; };
    ReleaseState = [](OrtNodeComputeInfo*, void*) {};
    Compute = [](OrtNodeComputeInfo*, void*, OrtKernelContext* context) -> OrtStatus* {
      const OrtValue *a, *b;
      const void *x, *y;
      OrtValue* out;
      void* z;
      std::vector<int64_t> s, t;
      TRY(api->KernelContext_GetInput(context, 0, &a));
      TRY(api->KernelContext_GetInput(context, 1, &b));
      TRY(shape_of(a, s));
      TRY(shape_of(b, t));
      size_t r = s.size();
      int64_t batch = r == 3 ? s[0] : 1, m = s[r - 2], k = s[r - 1], n = t[r - 1];
      s[r - 1] = n;
      TRY(api->KernelContext_GetOutput(context, 0, s.data(), r, &out));
      TRY(api->GetTensorData(a, &x));
      TRY(api->GetTensorData(b, &y));
      TRY(api->GetTensorMutableData(out, &z));
      const float *A = (const float*)real(x), *B = (const float*)real(y);
      float* C = (float*)real(z);
      if (A == x || B == y || C == z) return api->CreateStatus(ORT_FAIL, "simulated: a tensor is in the host's memory");
      for (int64_t e = 0; e < batch; e++, A += m * k, B += k * n, C += m * n)
        for (int64_t i = 0; i < m; i++) {
          for (int64_t j = 0; j < n; j++) C[i * n + j] = 0;
          for (int64_t p = 0; p < k; p++)
            for (int64_t j = 0; j < n; j++) C[i * n + j] += A[i * k + p] * B[p * n + j];
        }
      return nullptr;
    };
  }
};

struct Provider : OrtEp {
  Provider() : OrtEp{} {
    ort_version_supported = ORT_API_VERSION;
    GetName = [](const OrtEp*) noexcept { return provider_name; };
    GetCapability = [](OrtEp*, const OrtGraph* graph, OrtEpGraphSupportInfo* support) noexcept -> OrtStatus* {
      size_t n;
      TRY(api->Graph_GetNumNodes(graph, &n));
      std::vector<const OrtNode*> nodes(n);
      TRY(api->Graph_GetNodes(graph, nodes.data(), n));
      for (const OrtNode* node : nodes) {
        const char* op;
        TRY(api->Node_GetOperatorType(node, &op));
        if (strcmp(op, "MatMul")) continue;
        const OrtValueInfo* in[2];
        const OrtTypeInfo* type;
        const OrtTensorTypeAndShapeInfo* shape;
        size_t rank[2];
        ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        TRY(api->Node_GetInputs(node, in, 2));
        for (int i = 0; i < 2; i++) {
          TRY(api->GetValueInfoTypeInfo(in[i], &type));
          TRY(api->CastTypeInfoToTensorInfo(type, &shape));
          TRY(api->GetDimensionsCount(shape, &rank[i]));
          TRY(api->GetTensorElementType(shape, &element));
        }
        if (element == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT && rank[0] == rank[1] && (rank[0] == 2 || rank[0] == 3))
          TRY(ep_api->EpGraphSupportInfo_AddNodesToFuse(support, &node, 1, nullptr));
      }
      return nullptr;
    };
    Compile = [](OrtEp*, const OrtGraph**, const OrtNode**, size_t n, OrtNodeComputeInfo** infos, OrtNode**) noexcept -> OrtStatus* {
      for (size_t i = 0; i < n; i++) infos[i] = new Product;
      return nullptr;
    };
    GetKernelRegistry = [](OrtEp*, const OrtKernelRegistry** out) noexcept -> OrtStatus* {
      static OrtKernelRegistry* registry;
      if (!registry) {
        TRY(ep_api->CreateKernelRegistry(&registry));
        TRY(add_copy(registry, "MemcpyFromHost", true));
        TRY(add_copy(registry, "MemcpyToHost", false));
      }
      *out = registry;
      return nullptr;
    };
    ReleaseNodeComputeInfos = [](OrtEp*, OrtNodeComputeInfo** infos, size_t n) noexcept {
      for (size_t i = 0; i < n; i++) delete (Product*)infos[i];
    };
  }
};

struct Factory : OrtEpFactory {
  std::vector<OrtMemoryInfo*> memories;
  std::vector<OrtHardwareDevice*> devices;
  Factory() : OrtEpFactory{} {
    ort_version_supported = ORT_API_VERSION;
    GetName = [](const OrtEpFactory*) noexcept { return provider_name; };
    GetVendor = [](const OrtEpFactory*) noexcept { return "simulated"; };
    GetVendorId = [](const OrtEpFactory*) noexcept { return vendor; };
    GetVersion = [](const OrtEpFactory*) noexcept { return "1.0.0"; };
    GetSupportedDevices = [](OrtEpFactory* self, const OrtHardwareDevice* const*, size_t, OrtEpDevice** out, size_t max, size_t* n) noexcept -> OrtStatus* {
      auto f = (Factory*)self;
      for (*n = 0; *n < 2 && *n < max; ++*n) {
        OrtHardwareDevice* device;
        OrtMemoryInfo* memory;
        TRY(ep_api->CreateHardwareDevice(OrtHardwareDeviceType_NPU, vendor, (uint32_t)*n, "simulated", nullptr, &device));
        f->devices.push_back(device);
        TRY(ep_api->CreateEpDevice(self, device, nullptr, nullptr, &out[*n]));
        TRY(api->CreateMemoryInfo_V2("SimulatedNPU", OrtMemoryInfoDeviceType_NPU, vendor, (int32_t)*n, OrtDeviceMemoryType_DEFAULT, 0, OrtDeviceAllocator, &memory));
        f->memories.push_back(memory);
        TRY(ep_api->EpDevice_AddAllocatorInfo(out[*n], memory));
      }
      return nullptr;
    };
    CreateEp = [](OrtEpFactory*, const OrtHardwareDevice* const*, const OrtKeyValuePairs* const*, size_t, const OrtSessionOptions*, const OrtLogger*, OrtEp** ep) noexcept -> OrtStatus* {
      *ep = new Provider;
      return nullptr;
    };
    ReleaseEp = [](OrtEpFactory*, OrtEp* ep) noexcept { delete (Provider*)ep; };
    CreateAllocator = [](OrtEpFactory*, const OrtMemoryInfo* info, const OrtKeyValuePairs*, OrtAllocator** out) noexcept -> OrtStatus* {
      *out = new Allocator(info);
      return nullptr;
    };
    ReleaseAllocator = [](OrtEpFactory*, OrtAllocator* a) noexcept { delete (Allocator*)a; };
    CreateDataTransfer = [](OrtEpFactory*, OrtDataTransferImpl** out) noexcept -> OrtStatus* { *out = new Transfer; return nullptr; };
    IsStreamAware = [](const OrtEpFactory*) noexcept { return false; };
  }
  ~Factory() {
    for (auto m : memories) api->ReleaseMemoryInfo(m);
    for (auto d : devices) ep_api->ReleaseHardwareDevice(d);
  }
};

extern "C" {
OrtStatus* CreateEpFactories(const char*, const OrtApiBase* base, const OrtLogger*, OrtEpFactory** factories, size_t, size_t* n) {
  api = base->GetApi(ORT_API_VERSION);
  ep_api = api->GetEpApi();
  factories[0] = new Factory;
  *n = 1;
  return nullptr;
}
OrtStatus* ReleaseEpFactory(OrtEpFactory* f) { delete (Factory*)f; return nullptr; }
}
