// Tells the service manager each argument, as sd_notify(3) does, and then sleeps.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = getenv("NOTIFY_SOCKET");
  if (path == NULL) {
    puts("no NOTIFY_SOCKET");
    return 1;
  }
  strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  for (int i = 1; i < argc; i++) {
    // Without ready, the manager waits for it.
    if (strcmp(argv[i], "sleep") == 0) {
      usleep(300000);
      continue;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sendto(fd, argv[i], strlen(argv[i]), 0, (struct sockaddr *)&address, sizeof(address)) < 0) {
      perror("sendto");
      return 1;
    }
    close(fd);
  }
  sleep(60);
  return 0;
}
