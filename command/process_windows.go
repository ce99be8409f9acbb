package command

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	terminate os.Signal = syscall.SIGTERM
	interrupt os.Signal = os.Interrupt
)

func shell(line string) []string { return []string{"cmd.exe", "/S", "/C", line} }

// setShell hands the line on as it is: cmd.exe has its own idea of quotes.
func setShell(cmd *exec.Cmd, line string) {
	if line != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /S /C "` + line + `"`}
	}
}

// A tree is a job object: what the process starts is in it too, and the system ends all of it when we end. What it
// starts before it is put into the job, in its first instants, is not.
type tree struct {
	cmd *exec.Cmd
	job windows.Handle
	err error
}

func startTree(cmd *exec.Cmd) (*tree, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, err
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil {
		windows.CloseHandle(job)
		return nil, err
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.CreationFlags |= windows.CREATE_NEW_PROCESS_GROUP
	if err := cmd.Start(); err != nil {
		windows.CloseHandle(job)
		return nil, err
	}
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid))
	if err == nil {
		_ = windows.AssignProcessToJobObject(job, h)
		windows.CloseHandle(h)
	}
	return &tree{cmd: cmd, job: job}, nil
}

func (t *tree) wait() { t.err = t.cmd.Wait() }

// signal asks as Ctrl-Break does, which is as near to SIGTERM as it gets here.
func (t *tree) signal(os.Signal) {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(t.cmd.Process.Pid))
}

func (t *tree) kill() {
	_ = windows.TerminateJobObject(t.job, 1)
	_ = t.cmd.Process.Kill()
}

// alive reports nothing: what the first process leaves behind ends with the job.
func (t *tree) alive() bool { return false }

func (t *tree) release() error {
	_ = windows.TerminateJobObject(t.job, 1)
	windows.CloseHandle(t.job)
	return t.err
}
