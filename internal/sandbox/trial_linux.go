package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// TrialArgument makes a netcap that is started with it run TrialMain.
const TrialArgument = "sandbox-trial"

// patienceToTry is how long a trial may take.
const patienceToTry = 10 * time.Second

// outcome is what a trial tells.
type outcome struct {
	Result *Result
	Failed string
}

// Try finds out what Confine would do, in a process of its own: program is this one.
func (c *Config) Try(program string) (*Result, error) {
	of, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patienceToTry)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, TrialArgument)
	cmd.Stdin = strings.NewReader(string(of))
	out, err := cmd.Output()
	told := &outcome{}
	if err == nil {
		err = json.Unmarshal(out, told)
	}
	switch {
	case err != nil: // a refused system call may have ended it
		return nil, fmt.Errorf("sandbox: a process that confines itself doesn't go on: %w", err)
	case told.Failed != "":
		return nil, errors.New(told.Failed)
	}
	return told.Result, nil
}

// TrialMain confines this process as in says, and tells out of it.
func TrialMain(in io.Reader, out io.Writer) error {
	c, told := &Config{}, &outcome{}
	if err := json.NewDecoder(in).Decode(c); err != nil {
		return err
	}
	var err error
	if told.Result, err = Confine(c); err != nil {
		told.Failed = err.Error()
	}
	return json.NewEncoder(out).Encode(told)
}
