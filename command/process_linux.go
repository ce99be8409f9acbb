package command

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// markName is the variable by which a process is known to be of a tree although it has left its session and its
// parent is gone, as daemons do. One that throws its environment away as well is not found. A devserve in a devserve
// adds its own mark to the other's.
const markName = "DEVSERVE_TREE"

// origin is what is known of a tree's first process.
type origin struct {
	id    []byte
	start uint64 // in ticks since the system's start
}

func (o *origin) mark(cmd *exec.Cmd) {
	o.id = []byte(rand.Text())
	cmd.Env = append(cmd.Env, markName+"="+os.Getenv(markName)+string(o.id))
}

func (o *origin) begin(pid int) {
	if st, err := stat(pid); err == nil {
		o.start = st.start
	}
}

// wait returns when the first process has ended, and leaves it a zombie: its number, which is the session's too, is
// nobody else's as long as there may be something to signal.
func (t *tree) wait() {
	for {
		err := unix.Waitid(unix.P_PID, t.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (t *tree) reap() error {
	err := t.cmd.Wait()
	// Where we are the system's first process, orphans are ours.
	for {
		pid, err := unix.Wait4(-t.pid, nil, unix.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return err
}

// alive reports whether something of the tree runs.
func (t *tree) alive() bool {
	members, strays := t.scan()
	return members || len(strays) > 0
}

// strays are the processes that a signal to the group does not reach.
func (t *tree) strays() []int {
	_, strays := t.scan()
	return strays
}

func (t *tree) scan() (members bool, strays []int) {
	dir, err := os.Open("/proc")
	if err != nil {
		return false, nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		st, err := stat(pid)
		switch {
		case err != nil || st.dead || st.start < t.start:
		case st.group == t.pid:
			members = true
		case st.session == t.pid || t.marked(pid):
			strays = append(strays, pid)
		}
	}
	return members, strays
}

func (t *tree) marked(pid int) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(env, t.id) // an error: it is another user's
}

type processStat struct {
	dead           bool
	group, session int
	start          uint64
}

// stat reads /proc/PID/stat, see proc(5).
func stat(pid int) (processStat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return processStat{}, err
	}
	i := bytes.LastIndexByte(text, ')') // the end of the name, which may hold anything
	fields := strings.Fields(string(text[i+1:]))
	if i < 0 || len(fields) < 20 {
		return processStat{}, errors.New("command: /proc/PID/stat is not as expected")
	}
	st := processStat{dead: fields[0] == "Z" || fields[0] == "X"}
	st.group, _ = strconv.Atoi(fields[2])
	st.session, _ = strconv.Atoi(fields[3])
	st.start, _ = strconv.ParseUint(fields[19], 10, 64)
	return st, nil
}
