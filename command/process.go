package command

import (
	"io"
	"os"
	"os/exec"
	"time"
)

const (
	// killing is how long what was killed may take to be gone. What hangs in the kernel for longer is left to it.
	killing = 2 * time.Second

	// drained is how long the output of a process is read on after its end, for what is still in the pipe.
	drained = 100 * time.Millisecond
)

// A process is one that was started, and with it whatever it starts: its tree, see process_*.go. It is over when
// its first process is; what that leaves behind is ended too.
type process struct {
	cmd    *exec.Cmd
	tree   *tree
	out    *output
	began  time.Time
	grace  time.Duration
	gentle os.Signal // what asks it to end

	stop chan struct{} // closed to ask for the end
	done chan struct{} // closed when nothing of it is left; what follows may be read then
	err  error         // of its first process
	left bool          // something would not go
}

// start starts inv and returns at once. When it is to end it gets the signal gentle, and what is left after grace is killed.
func start(inv invocation, out *output, gentle os.Signal, grace time.Duration) (*process, error) {
	cmd := exec.Command(inv.args[0], inv.args[1:]...)
	cmd.Dir, cmd.Env = inv.dir, inv.env
	setShell(cmd, inv.line)

	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	cmd.Stdout, cmd.Stderr = w, w

	var hold *os.File // the other end of its input
	if inv.open {
		in, end, err := os.Pipe()
		if err != nil {
			r.Close()
			return nil, err
		}
		defer in.Close()
		cmd.Stdin, hold = in, end
	}
	tree, err := startTree(cmd)
	if err != nil {
		r.Close()
		hold.Close()
		return nil, err
	}
	p := &process{
		cmd: cmd, tree: tree, out: out, began: time.Now(), grace: grace, gentle: gentle,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go p.supervise(r, hold)
	return p, nil
}

// end asks the process to end, kills what is left after the grace, and returns when all of it is gone. It is called by
// one goroutine.
func (p *process) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	<-p.done
}

func (p *process) supervise(r, hold *os.File) {
	defer close(p.done)
	defer hold.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(p.out, r)
	}()
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		p.tree.wait()
	}()

	select {
	case <-exited:
	case <-p.stop:
	}
	p.finish(exited)
	p.err = p.tree.release()

	_ = r.SetReadDeadline(time.Now().Add(drained))
	<-read
	r.Close()
	p.out.flush()
}

// finish asks all of the tree to end, then kills it.
func (p *process) finish(exited <-chan struct{}) {
	limit := time.NewTimer(p.grace)
	defer limit.Stop()
	asked, killed := false, false
	for gap := time.Millisecond; ; gap = min(2*gap, 50*time.Millisecond) {
		gone := false
		select {
		case <-exited:
			gone = !p.tree.alive()
		default:
		}
		if gone {
			return
		}
		if !asked {
			asked = true
			p.tree.signal(p.gentle)
		}
		if killed {
			p.tree.kill() // each time, as it may have started something meanwhile
		}
		wake := exited
		if isClosed(exited) {
			wake = nil
		}
		select {
		case <-wake:
		case <-time.After(gap):
		case <-limit.C:
			if killed {
				p.left = true
				if isClosed(exited) {
					return
				}
			}
			killed = true
			limit.Reset(killing)
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
