package watcher

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A source of events about directories, not about what is below them. Its
// channels are closed by close, or when the source has failed.
type source interface {
	add(dir string) error // an added one is added again without harm
	remove(dir string) error
	events() <-chan fsnotify.Event
	errors() <-chan error
	close() error
}

// notify is the operating system's source.
type notify struct{ w *fsnotify.Watcher }

func openNotify() (source, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return notify{w}, nil
}

func (n notify) add(dir string) error          { return n.w.Add(dir) }
func (n notify) remove(dir string) error       { return n.w.Remove(dir) }
func (n notify) events() <-chan fsnotify.Event { return n.w.Events }
func (n notify) errors() <-chan error          { return n.w.Errors }
func (n notify) close() error                  { return n.w.Close() }

// maxQueue is how many events may wait while onBatch runs. Beyond it comparing
// everything is cheaper than handling them, as it is for the kernel's own queue.
const maxQueue = 1 << 16

// A feed keeps a source's channels empty, whatever its reader is doing: a source
// whose events are not taken loses them, or answers no call to add.
type feed struct {
	src   source
	ready chan struct{} // holds one token while there is something to take
	done  sync.WaitGroup

	mu   sync.Mutex // guards what follows
	list []event
	lost event // the first error since list was taken
}

// An event is a hint that something happened at path or, with an error, that
// events are missing.
type event struct {
	path string
	op   fsnotify.Op
	at   time.Time
	err  error
}

func newFeed(src source) *feed {
	f := &feed{src: src, ready: make(chan struct{}, 1)}
	f.done.Go(f.drain)
	return f
}

func (f *feed) drain() {
	events, errs := f.src.events(), f.src.errors()
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				f.put(event{err: errors.New("source of events closed")})
				break
			}
			f.put(event{path: e.Name, op: e.Op})
		case err, ok := <-errs:
			if !ok {
				errs = nil
				break
			}
			if err == syscall.EINVAL {
				break // fsnotify removed a watch that had gone with its directory: nothing is lost
			}
			f.put(event{err: err})
		}
	}
}

func (f *feed) put(e event) {
	e.at = time.Now()
	f.mu.Lock()
	switch n := len(f.list); {
	case f.lost.err != nil: // everything will be compared anyway
	case e.err != nil:
		f.lost = e
	case n > 0 && f.list[n-1].path == e.path && f.list[n-1].op == e.op:
		f.list[n-1].at = e.at
	case n >= maxQueue:
		f.lost = event{err: fsnotify.ErrEventOverflow, at: e.at}
	default:
		f.list = append(f.list, e)
	}
	f.mu.Unlock()
	f.wakeup()
}

func (f *feed) wakeup() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// take returns the events since it was last called. If some are missing after
// them, lost has an error.
func (f *feed) take() (list []event, lost event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, lost = f.list, f.lost
	f.list, f.lost = nil, event{}
	return list, lost
}

func (f *feed) close() {
	f.src.close()
	f.done.Wait()
}

// limited reports whether err means that the system has no more watches to give.
func limited(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// cure adds to err what to do about it, if it is a limit that can be raised.
func cure(err error) error {
	if !limited(err) {
		return err
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: too many files are watched; raise the limit with ulimit -n 65536, or ignore folders that do not belong to the site", err)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: out of inotify watches%s; raise fs.inotify.max_user_watches: sudo sysctl fs.inotify.max_user_watches=1048576",
			err, sysctl("max_user_watches"))
	}
	return fmt.Errorf("%w: out of inotify instances%s or open files; raise fs.inotify.max_user_instances: sudo sysctl fs.inotify.max_user_instances=1024, or ulimit -n",
		err, sysctl("max_user_instances"))
}

func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if err != nil {
		return ""
	}
	return " (the limit is " + strings.TrimSpace(string(b)) + ")"
}
