/* System V semaphores, messages and shared memory; POSIX message queues. */
#include "check.h"

#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>

union semun {
  int val;
  struct semid_ds *buf;
  unsigned short *array;
};

static void *post_later(void *set) {
  usleep(20000);
  struct sembuf up = {0, 1, 0};
  semop(*(int *)set, &up, 1);
  return NULL;
}

static void semaphores(void) {
  int set = semget(IPC_PRIVATE, 5, 0600 | IPC_CREAT);
  TRY(set);
  unsigned short values[5] = {1, 2, 3, 4, 5}, got[5];
  SHOW(semctl(set, 0, SETALL, (union semun){.array = values}));
  SHOW(semctl(set, 0, GETALL, (union semun){.array = got}));
  OK(!memcmp(values, got, sizeof got));
  struct semid_ds state;
  SHOW(semctl(set, 0, IPC_STAT, (union semun){.buf = &state}));
  SHOW(state.sem_nsems);
  SHOW(state.sem_perm.mode);
  SHOW(semctl(set, 2, GETVAL));
  SHOW(semctl(set, 2, SETVAL, (union semun){.val = 9}));
  SHOW(semctl(set, 2, GETVAL));
  OK(semctl(set, 2, GETPID) == getpid());
  struct sembuf operations[2] = {{0, -1, IPC_NOWAIT}, {1, -2, IPC_NOWAIT | SEM_UNDO}};
  SHOW(semop(set, operations, 2));
  SHOW(semop(set, operations, 2));
  struct timespec soon = {0, 10000000};
  struct sembuf down = {0, -1, 0};
  SHOW(semtimedop(set, &down, 1, &soon));
  pthread_t thread;
  pthread_create(&thread, NULL, post_later, &set);
  SHOW(semop(set, &down, 1));
  pthread_join(thread, NULL);
  SHOW(semctl(set, 7, GETVAL));
  SHOW(semctl(set, 0, 99));
  if (fork() == 0) {
    struct sembuf up = {4, 3, 0};
    _exit(semop(set, &up, 1) != 0);
  }
  int status;
  wait(&status);
  SHOW(status);
  SHOW(semctl(set, 4, GETVAL));
  SHOW(semctl(set, 0, IPC_RMID));
  SHOW(semctl(set, 0, GETVAL));
}

struct message {
  long type;
  char text[100];
};

static void messages(void) {
  int queue = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
  TRY(queue);
  struct message message = {3, "three"}, got;
  SHOW(msgsnd(queue, &message, 6, 0));
  message = (struct message){1, "one"};
  SHOW(msgsnd(queue, &message, 4, 0));
  message = (struct message){2, ""};
  SHOW(msgsnd(queue, &message, 0, 0));
  message.type = 0;
  SHOW(msgsnd(queue, &message, 4, 0));
  SHOW(msgsnd(queue, &message, 1 << 20, 0));
  struct msqid_ds state;
  SHOW(msgctl(queue, IPC_STAT, &state));
  SHOW(state.msg_qnum);
  memset(&got, 7, sizeof got);
  SHOW(msgrcv(queue, &got, sizeof got.text, 1, 0));
  OK(got.type == 1 && !strcmp(got.text, "one") && all(got.text + 4, 7, sizeof got.text - 4));
  SHOW(msgrcv(queue, &got, 2, 0, 0));
  SHOW(msgrcv(queue, &got, 2, 0, MSG_NOERROR));
  OK(got.type == 3 && !memcmp(got.text, "th", 2));
  SHOW(msgrcv(queue, &got, sizeof got.text, -5, 0));
  SHOW(got.type);
  SHOW(msgrcv(queue, &got, sizeof got.text, 0, IPC_NOWAIT));
  state.msg_qbytes = 1000;
  SHOW(msgctl(queue, IPC_SET, &state));
  SHOW(msgctl(queue, IPC_RMID, NULL));
  SHOW(msgrcv(queue, &got, 10, 0, 0));
}

static volatile sig_atomic_t notified;
static int notified_value, notified_code;
static void notify(int signal, siginfo_t *info, void *context) {
  (void)context;
  notified = signal;
  notified_value = info->si_value.sival_int;
  notified_code = info->si_code;
}

static void queues(void) {
  char name[40];
  snprintf(name, sizeof name, "/pinion-%d", getpid());
  struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
  TRY(queue);
  SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
  SHOW(mq_send(queue, "low", 3, 1));
  SHOW(mq_send(queue, "high", 4, 9));
  SHOW(mq_send(queue, "low again", 9, 1));
  SHOW(mq_send(queue, "too long", 100, 1));
  char got[64] = "";
  unsigned priority;
  SHOW(mq_receive(queue, got, 10, &priority));
  SHOW(mq_receive(queue, got, sizeof got, &priority));
  OK(!memcmp(got, "high", 4) && priority == 9);
  SHOW(mq_getattr(queue, &attributes));
  SHOW(attributes.mq_curmsgs);
  SHOW(mq_receive(queue, got, sizeof got, NULL));
  SHOW(mq_receive(queue, got, sizeof got, NULL));
  SHOW(mq_receive(queue, got, sizeof got, NULL));
  struct sigaction action = {.sa_sigaction = notify, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  event.sigev_value.sival_int = 77;
  SHOW(mq_notify(queue, &event));
  SHOW(mq_notify(queue, &event));
  SHOW(mq_send(queue, "wake", 4, 0));
  OK(notified == SIGUSR1 && notified_value == 77 && notified_code == SI_MESGQ);
  attributes.mq_flags = 0;
  SHOW(mq_setattr(queue, &attributes, NULL));
  SHOW(mq_receive(queue, got, sizeof got, NULL));
  struct timespec past = {1, 0};
  SHOW(mq_timedreceive(queue, got, sizeof got, NULL, &past));
  SHOW(mq_close(queue));
  SHOW(mq_unlink(name));
  SHOW(mq_unlink(name));
  SHOW(mq_unlink("/no/such"));
}

static void memory(void) {
  int id = shmget(IPC_PRIVATE, 3 * 4096 - 5, 0600 | IPC_CREAT);
  TRY(id);
  char *first = shmat(id, NULL, 0);
  char *second = shmat(id, NULL, 0);
  OK(first != (void *)-1 && second != (void *)-1 && first != second);
  strcpy(first + 5000, "seen in both");
  OK(!strcmp(second + 5000, first + 5000));
  struct shmid_ds state;
  SHOW(shmctl(id, IPC_STAT, &state));
  SHOW(state.shm_nattch);
  SHOW(state.shm_segsz);
  SHOW(shmdt(second));
  SHOW(shmdt(second));
  SHOW(shmctl(id, IPC_STAT, &state));
  SHOW(state.shm_nattch);
  if (fork() == 0) {
    OK(!strcmp(first + 5000, "seen in both"));
    strcpy(first + 9000, "from the child");
    char *reader = shmat(id, NULL, SHM_RDONLY);
    OK(!strcmp(reader + 9000, "from the child"));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  OK(!strcmp(first + 9000, "from the child"));
  void *wanted = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(shmat(id, (char *)wanted + 1, 0) == (void *)-1);
  SHOW(shmat(id, wanted, 0) == (void *)-1);
  OK(shmat(id, wanted, SHM_REMAP) == wanted);
  OK(shmat(id, (char *)wanted + 65536 + 77, SHM_REMAP | SHM_RND) == (char *)wanted + 65536);
  SHOW(shmdt(wanted));
  SHOW(shmctl(id, IPC_RMID, NULL));
  OK(!strcmp(first + 9000, "from the child"));
  SHOW(shmdt(first));
  SHOW(shmdt((char *)wanted + 65536));
  SHOW(shmat(id, NULL, 0) == (void *)-1);
  SHOW(shmat(-1, NULL, 0) == (void *)-1);
}

TESTS({"semaphores", semaphores}, {"messages", messages}, {"queues", queues}, {"memory", memory})
