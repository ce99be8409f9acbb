package watcher

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMounts mounts and unmounts real file systems over what is watched. It runs its cases in another process, which has
// mounts of its own and may change them. No privilege is needed for that, but a kernel may forbid it; then there is
// nothing that could be tested.
func TestMounts(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestInNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if isForbidden(err) || strings.Contains(string(out), forbidden) {
		t.Skipf("this kernel gives a process no mounts of its own: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInNamespace/") {
		t.Errorf("%v\n%s", err, out)
	}
}

// isForbidden reports whether a namespace is not to be had here: by rights, by a limit, or because the kernel has none.
func isForbidden(err error) bool {
	return slices.ContainsFunc([]error{syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EINVAL}, func(no error) bool { return errors.Is(err, no) })
}

// forbidden is printed where a process may have a namespace and no mounts in it, as in Ubuntu's AppArmor profiles.
const forbidden = "mounts are forbidden here"

// inNamespace is set in the environment of the process in which [TestInNamespace] does something.
const inNamespace = "WATCHER_TEST_IN_NAMESPACE"

func TestInNamespace(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		return // TestMounts starts it
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Log(forbidden)
		return
	} else if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		files []string
		watch []string
		do    func(s *site)
	}{
		{"over a watched folder, and away", []string{"site/d/a.js: 1", "site/d/e/b.js: 1"}, nil, func(s *site) {
			s.mount("tmpfs", "", "site/d")
			s.soon("remove site/d/a.js", "remove site/d/e/b.js")
			s.write("site/d/c.js", "1")
			s.want("create site/d/c.js")
			s.unmount("site/d")
			s.soon("remove site/d/c.js", "create site/d/a.js", "create site/d/e/b.js")
			s.write("site/d/e/b.js", "2")
			s.want("write site/d/e/b.js")
		}},
		{"another one at the same place", []string{"site/d/a.js: 1"}, nil, func(s *site) {
			s.mount("tmpfs", "", "site/d")
			s.soon("remove site/d/a.js")
			s.write("site/d/b.js", "1")
			s.want("create site/d/b.js")
			s.unmount("site/d")
			s.mount("tmpfs", "", "site/d") // with the same numbers of device and inode
			s.soon("remove site/d/b.js")
			s.write("site/d/c.js", "1")
			s.want("create site/d/c.js")
		}},
		{"over the root", []string{"site/a.js: 1"}, nil, func(s *site) {
			s.mount("tmpfs", "", "site")
			s.soon("remove site/a.js")
			s.write("site/b.js", "1")
			s.want("create site/b.js")
			s.unmount("site")
			s.soon("remove site/b.js", "create site/a.js")
			s.write("site/a.js", "2")
			s.want("write site/a.js")
		}},
		{"above the root", []string{"site/a.js: 1"}, nil, func(s *site) {
			s.mount("tmpfs", "", "")
			s.soon("remove site/a.js")
			s.unmount("")
			s.soon("create site/a.js")
		}},
		{"a folder of elsewhere, whose changes come from beneath", []string{"other/a.js: 1", "site/d/b.js: 1"}, nil, func(s *site) {
			s.mount("", "other", "site/d")
			s.soon("remove site/d/b.js", "create site/d/a.js")
			s.write("other/a.js", "2")
			s.want("write site/d/a.js")
			s.write("other/new/c.js", "1")
			s.want("create site/d/new/c.js")
		}},
		{"a file of elsewhere", []string{"other.js: 2", "site/a.js: 1"}, nil, func(s *site) {
			s.mount("", "other.js", "site/a.js")
			s.soon("write site/a.js")
			s.unmount("site/a.js")
			s.soon("write site/a.js")
		}},
		{"what a single path leads through", []string{"site/node_modules/m/i.js: 1"}, []string{"site/node_modules/m/i.js"}, func(s *site) {
			s.mount("tmpfs", "", "site/node_modules")
			s.soon("remove site/node_modules/m/i.js")
			s.write("site/node_modules/m/i.js", "2")
			s.want("create site/node_modules/m/i.js")
			s.write("site/node_modules/m/i.js", "3")
			s.want("write site/node_modules/m/i.js")
			s.unmount("site/node_modules")
			s.soon("write site/node_modules/m/i.js")
			s.write("site/node_modules/m/i.js", "4")
			s.want("write site/node_modules/m/i.js")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.files...)
			o := s.options()
			w, err := New([]string{s.path("site")}, o)
			s.check(err)
			w.Watch(s.paths(tt.watch), nil)
			s.run(w)
			tt.do(s)
			if m := w.Status().Mode; m != "events" || len(s.errs) > 0 {
				t.Errorf("mode %s, %d errors", m, len(s.errs))
			}
		})
	}
}

// mount mounts a file system of that kind or, without one, what is at from.
func (s *site) mount(kind, from, at string) {
	s.Helper()
	at = s.path(at)
	if kind != "" {
		s.check(unix.Mount(kind, at, kind, 0, ""))
	} else {
		s.check(unix.Mount(s.path(from), at, "", unix.MS_BIND, ""))
	}
	s.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
}

func (s *site) unmount(at string) {
	s.Helper()
	s.check(unix.Unmount(filepath.Clean(s.path(at)), unix.MNT_DETACH))
}

// soon is want, of what must not wait for the seldom round.
func (s *site) soon(changes ...string) {
	s.Helper()
	start := time.Now()
	s.want(changes...)
	if took := time.Since(start); took > pollSeldom/2 {
		s.Errorf("%q took %v", changes, took)
	}
}
