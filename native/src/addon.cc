// System calls that Node does not offer. Each function takes and gives integers and strings only,
// and returns the call's result, or minus errno: what that means is decided in TypeScript.

#include <errno.h>
#include <napi.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

Napi::Value Result(const Napi::CallbackInfo& info, long result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

int Int(const Napi::CallbackInfo& info, size_t index) {
  return info[index].ToNumber().Int32Value();
}

// flock(fd, operation): flock(2).
Napi::Value Flock(const Napi::CallbackInfo& info) {
  return Result(info, flock(Int(info, 0), Int(info, 1)));
}

// mkfifo(path, mode): mkfifo(3), whatever the umask.
Napi::Value Mkfifo(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const auto mode = static_cast<mode_t>(Int(info, 1));
  long result = mkfifo(path.c_str(), mode);
  if (result == 0) result = chmod(path.c_str(), mode);
  return Result(info, result);
}

// pidfdOpen(pid): pidfd_open(2); the descriptor is close-on-exec.
Napi::Value PidfdOpen(const Napi::CallbackInfo& info) {
  return Result(info, syscall(SYS_pidfd_open, Int(info, 0), 0));
}

// pidfdSendSignal(pidfd, signal): pidfd_send_signal(2).
Napi::Value PidfdSendSignal(const Napi::CallbackInfo& info) {
  return Result(info, syscall(SYS_pidfd_send_signal, Int(info, 0), Int(info, 1), nullptr, 0));
}

// umount(path, flags): umount2(2).
Napi::Value Umount(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  return Result(info, umount2(path.c_str(), Int(info, 1)));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("flock", Napi::Function::New(env, Flock));
  exports.Set("mkfifo", Napi::Function::New(env, Mkfifo));
  exports.Set("pidfdOpen", Napi::Function::New(env, PidfdOpen));
  exports.Set("pidfdSendSignal", Napi::Function::New(env, PidfdSendSignal));
  exports.Set("umount", Napi::Function::New(env, Umount));
  return exports;
}

}  // namespace

NODE_API_MODULE(pinion, Init)
