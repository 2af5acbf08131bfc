/**
 * The default system call filter, as data: what container engines allow by default, by capability and by
 * architecture. Everything else fails with EPERM, and clone3 without CAP_SYS_ADMIN with ENOSYS, so that the
 * C library falls back to clone, whose flags can be looked at.
 */
import type { OciSeccomp, OciSeccompRule } from './oci-types.js';

const ALLOW = 'SCMP_ACT_ALLOW';
const ERRNO = 'SCMP_ACT_ERRNO';
const ENOSYS = 38;
/** The CLONE_NEW* flags except CLONE_NEWTIME. */
const NAMESPACE_FLAGS = 0x7e020000;
const AF_VSOCK = 40;

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const ALWAYS = words(`
  accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
  clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
  eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
  fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
  flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
  ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat getcpu getcwd
  getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer
  getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid
  getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid
  gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
  inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get
  ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
  lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek
  lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret
  mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify
  mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal
  msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat
  _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free
  pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6
  pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg
  recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
  restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity
  sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
  sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send
  sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
  setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
  setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area
  set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack
  signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64
  statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
  timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
  timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
  ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice
  wait4 waitid waitpid write writev
`);

/** System calls that a capability unlocks. */
const BY_CAPABILITY: ReadonlyArray<readonly [capability: string, names: readonly string[]]> = [
  ['CAP_DAC_READ_SEARCH', words('open_by_handle_at')],
  [
    'CAP_SYS_ADMIN',
    words(`bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
      lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl
      quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`),
  ],
  ['CAP_SYS_BOOT', words('reboot')],
  ['CAP_SYS_CHROOT', words('chroot')],
  ['CAP_SYS_MODULE', words('delete_module init_module finit_module')],
  ['CAP_SYS_PACCT', words('acct')],
  ['CAP_SYS_PTRACE', words('kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace')],
  ['CAP_SYS_RAWIO', words('iopl ioperm')],
  ['CAP_SYS_TIME', words('settimeofday stime clock_settime clock_settime64')],
  ['CAP_SYS_TTY_CONFIG', words('vhangup')],
  ['CAP_SYS_NICE', words('get_mempolicy mbind set_mempolicy set_mempolicy_home_node')],
  ['CAP_SYSLOG', words('syslog')],
  ['CAP_BPF', words('bpf')],
  ['CAP_PERFMON', words('perf_event_open')],
];

/** Personalities that change nothing dangerous: Linux, BSD, no randomisation queries. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** By Node's name of the processor: libseccomp's names and calls that exist only there. */
const ARCHITECTURES: Readonly<Record<string, { names: readonly string[]; calls: readonly string[] }>> = {
  x64: {
    names: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    calls: words('arch_prctl modify_ldt'),
  },
  arm64: {
    names: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
    calls: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
  },
  arm: {
    names: ['SCMP_ARCH_ARM'],
    calls: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
  },
};

/** The filter for a container with these capabilities; `arch` as in process.arch. */
export function defaultSeccompProfile(arch: string, capabilities: ReadonlySet<string>): OciSeccomp {
  const machine = ARCHITECTURES[arch] ?? { names: [], calls: [] };
  const admin = capabilities.has('CAP_SYS_ADMIN');
  const rules: OciSeccompRule[] = [
    { names: [...ALWAYS, ...machine.calls], action: ALLOW },
    { names: ['ptrace', 'process_vm_readv', 'process_vm_writev'], action: ALLOW },
    { names: ['socket'], action: ALLOW, args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }] },
    ...PERSONALITIES.map((value) => ({
      names: ['personality'],
      action: ALLOW,
      args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
    })),
  ];
  for (const [capability, names] of BY_CAPABILITY) {
    if (capabilities.has(capability)) rules.push({ names, action: ALLOW });
  }
  if (!admin) {
    rules.push({
      names: ['clone'],
      action: ALLOW,
      args: [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    });
    rules.push({ names: ['clone3'], action: ERRNO, errnoRet: ENOSYS });
  }
  return {
    defaultAction: ERRNO,
    defaultErrnoRet: 1,
    architectures: machine.names,
    syscalls: mergeDuplicates(rules),
  };
}

/** Names that two unconditional rules share stay in the first, because runtimes refuse a rule given twice. */
function mergeDuplicates(rules: readonly OciSeccompRule[]): readonly OciSeccompRule[] {
  const seen = new Set<string>();
  return rules.map((rule) => {
    if (rule.args !== undefined) return rule;
    const names = rule.names.filter((name) => !seen.has(name));
    for (const name of names) seen.add(name);
    return { ...rule, names };
  });
}
