// System calls that Node does not offer, or not cheaply. Each function takes and gives numbers and
// strings, and returns the call's result, or minus errno: what that means is decided in TypeScript.

#include <errno.h>
#include <fcntl.h>
#include <napi.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

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

// socketpair(): two connected stream sockets, close-on-exec, as an array; or minus errno.
Napi::Value Socketpair(const Napi::CallbackInfo& info) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return Result(info, -1);
  auto pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, fds[0]);
  pair.Set(1u, fds[1]);
  return pair;
}

// A close-on-exec socket of a type to which a call has given a unix address, `@` for the zero byte of an
// abstract one; or -1.
int UnixSocket(const std::string& path, int type, int (*call)(int, const sockaddr*, socklen_t)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    errno = EINVAL;
    return -1;
  }
  path.copy(address.sun_path, path.size());
  // An abstract address ends with its length.
  socklen_t length = sizeof(address);
  if (path[0] == '@') {
    address.sun_path[0] = 0;
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  }
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0 || call(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// connect(path): a stream that is connected to a unix socket: connect(2).
Napi::Value Connect(const Napi::CallbackInfo& info) {
  return Result(info, UnixSocket(info[0].ToString().Utf8Value(), SOCK_STREAM, connect));
}

// connectDatagrams(path): the same with datagrams.
Napi::Value ConnectDatagrams(const Napi::CallbackInfo& info) {
  return Result(info, UnixSocket(info[0].ToString().Utf8Value(), SOCK_DGRAM, connect));
}

// bindDatagrams(path): a new unix socket that gets datagrams and never waits for them: bind(2).
Napi::Value BindDatagrams(const Napi::CallbackInfo& info) {
  const int type = SOCK_DGRAM | SOCK_NONBLOCK;
  return Result(info, UnixSocket(info[0].ToString().Utf8Value(), type, bind));
}

// sendDescriptor(socket, text, fd): sends a text with a descriptor, SCM_RIGHTS of unix(7).
Napi::Value SendDescriptor(const Napi::CallbackInfo& info) {
  std::string text = info[1].ToString().Utf8Value();
  const int fd = Int(info, 2);
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  return Result(info, sendmsg(Int(info, 0), &message, MSG_NOSIGNAL));
}

// Copies of descriptors that are closed again.
class Copies {
 public:
  ~Copies() {
    for (const int fd : fds_) close(fd);
  }
  // At `from` or above: out of the way of the numbers that the child's will have.
  bool Add(int fd, int from) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, from);
    if (copy >= 0) fds_.push_back(copy);
    return copy >= 0;
  }
  const std::vector<int>& fds() const { return fds_; }

 private:
  std::vector<int> fds_;
};

// The file behind a mount of its own that is read-only, as a close-on-exec descriptor; -1: only who may
// mount has one.
int ReadOnly(const std::string& path, int from) {
  const int tree = open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) return -1;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  const bool done = mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) == 0;
  const int fd = done ? fcntl(tree, F_DUPFD_CLOEXEC, from) : -1;
  close(tree);
  return fd;
}

// spawn(path, args, fds): the id of a new process in a session of its own, in directory /, with an
// empty environment, no signal blocked or ignored, and fds[N] as descriptor N: posix_spawn(3), which
// copies no page tables, as fork(2) would. Whoever gets hold of /proc/PID/exe cannot open it for writing,
// where this process may see to that (CVE-2019-5736).
Napi::Value Spawn(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const auto list = info[1].As<Napi::Array>();
  std::vector<std::string> args;
  for (uint32_t i = 0; i < list.Length(); i++) {
    args.push_back(list.Get(i).ToString().Utf8Value());
  }
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};

  const auto fds = info[2].As<Napi::Array>();
  Copies copies;
  for (uint32_t i = 0; i < fds.Length(); i++) {
    const int fd = fds.Get(i).ToNumber().Int32Value();
    if (!copies.Add(fd, static_cast<int>(fds.Length()))) return Result(info, -1);
    // Somebody's event loop may have made a standard stream non-blocking.
    const int flags = fcntl(fd, F_GETFL);
    if (i < 3 && (flags & O_NONBLOCK) != 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  }

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (size_t i = 0; i < copies.fds().size(); i++) {
    posix_spawn_file_actions_adddup2(&actions, copies.fds()[i], static_cast<int>(i));
  }
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  pid_t pid = 0;
  const int program = ReadOnly(path, static_cast<int>(fds.Length()));
  const std::string name = program < 0 ? path : "/proc/self/fd/" + std::to_string(program);
  // Stays open: if it is a script, its interpreter opens it by that name.
  if (program >= 0) posix_spawn_file_actions_adddup2(&actions, program, program);
  errno =
      posix_spawn(&pid, name.c_str(), &actions, &attributes, argv.data(), environment);
  if (errno != 0 && program >= 0) {
    // No /proc; or there is an error to tell.
    errno = posix_spawn(&pid, path.c_str(), &actions, &attributes, argv.data(), environment);
  }
  const long result = errno == 0 ? pid : -1;
  const auto value = Result(info, result);
  if (program >= 0) close(program);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return value;
}

// waitpid(pid): the wait status of a child that has ended (-EAGAIN: it has not), and its end.
Napi::Value Waitpid(const Napi::CallbackInfo& info) {
  int status = 0;
  const pid_t pid = waitpid(Int(info, 0), &status, WNOHANG);
  if (pid == 0) errno = EAGAIN;
  return Result(info, pid > 0 ? status : -1);
}

struct Watcher {
  uv_poll_t poll{};
  Napi::FunctionReference callback;
};

void OnReadable(uv_poll_t* poll, int, int) {
  const auto* watcher = static_cast<Watcher*>(poll->data);
  const Napi::Env env = watcher->callback.Env();
  Napi::HandleScope scope(env);
  watcher->callback.MakeCallback(env.Global(), {});
}

// watch(fd, callback): calls back whenever the descriptor is readable or has ended, until the
// returned function is called, which must be before it is closed.
Napi::Value Watch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return Napi::Number::New(env, -EINVAL);
  auto* watcher = new Watcher;
  watcher->callback = Napi::Persistent(info[1].As<Napi::Function>());
  const int error = uv_poll_init(loop, &watcher->poll, Int(info, 0));
  if (error != 0) {
    delete watcher;
    return Napi::Number::New(env, error);
  }
  watcher->poll.data = watcher;
  uv_poll_start(&watcher->poll, UV_READABLE, OnReadable);
  return Napi::Function::New(env, [watcher](const Napi::CallbackInfo&) mutable {
    if (watcher == nullptr) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&watcher->poll),
             [](uv_handle_t* handle) { delete static_cast<Watcher*>(handle->data); });
    watcher = nullptr;
  });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("bindDatagrams", Napi::Function::New(env, BindDatagrams));
  exports.Set("connect", Napi::Function::New(env, Connect));
  exports.Set("connectDatagrams", Napi::Function::New(env, ConnectDatagrams));
  exports.Set("flock", Napi::Function::New(env, Flock));
  exports.Set("mkfifo", Napi::Function::New(env, Mkfifo));
  exports.Set("pidfdOpen", Napi::Function::New(env, PidfdOpen));
  exports.Set("pidfdSendSignal", Napi::Function::New(env, PidfdSendSignal));
  exports.Set("sendDescriptor", Napi::Function::New(env, SendDescriptor));
  exports.Set("socketpair", Napi::Function::New(env, Socketpair));
  exports.Set("spawn", Napi::Function::New(env, Spawn));
  exports.Set("waitpid", Napi::Function::New(env, Waitpid));
  exports.Set("watch", Napi::Function::New(env, Watch));
  exports.Set("umount", Napi::Function::New(env, Umount));
  return exports;
}

}  // namespace

NODE_API_MODULE(pinion, Init)
