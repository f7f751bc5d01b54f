package main

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"maps"
	"slices"
)

// change is a place in GoNB's source that is rewritten where there is no setting for it; was must be there exactly once.
type change struct{ file, was, is string }

// changes are all of them.
var changes = slices.Concat(executionChanges, kernelChanges, goplsChanges, abortChanges)

// executionChanges are about how cells run, and what is said when they fail.
var executionChanges = []change{
	// An interrupted cell gets SIGINT, and is killed this much later.
	{"internal/jpyexec/jpyexec.go", "var WaitToKill = 5 * time.Second\n", fmt.Sprintf("var WaitToKill = %d * time.Minute\n", int(patience.Minutes()))},
	// How a cell's program ended is told by the error alone, and not on its standard error as well.
	{"internal/jpyexec/jpyexec.go", "	if exec.exitError != nil {\n		errMsg := exec.exitError.Error() + \"\\n\"\n		if exec.Msg.Kernel().Interrupted.Load() {\n			errMsg = \"^C\\n\" + errMsg\n		}\n		_ = kernel.PublishWriteStream(exec.Msg, kernel.StreamStderr, errMsg)\n	}\n", ""},
	// A cell that reads its standard input gets an input box (stdin.go).
	{"internal/jpyexec/jpyexec.go", "	// Wait for output pipes to finish.\n", "	go exec.answerReads()\n\n	// Wait for output pipes to finish.\n"},
	{"internal/jpyexec/jpyexec.go", "	stdinContent               []byte\n", "	stdinContent               []byte\n	prompted                   atomic.Bool // somebody is being asked for input\n"},
	{"internal/jpyexec/jpyexec.go", "	\"sync\"\n", "	\"sync\"\n	\"sync/atomic\"\n"},
	{"internal/jpyexec/namedpipes_dispatch.go", "	klog.V(2).Infof(\"Received InputRequest %+v\", req)\n", "	klog.V(2).Infof(\"Received InputRequest %+v\", req)\n	exec.prompted.Store(true)\n"},
	{"internal/jpyexec/namedpipes_dispatch.go", "		go func() {\n			exec.muDone.Lock()\n			cmdStdin", "		exec.prompted.Store(false)\n		go func() {\n			exec.muDone.Lock()\n			cmdStdin"},
	// Errors are told by package traceback.
	{"internal/goexec/gonberror.go", "	errMsg string\n	err    error\n}\n", "	errMsg string\n	err    error\n	report *report\n}\n"},
	{"internal/goexec/gonberror.go", "	return nbErr\n}\n", "	nbErr.report = s.compileReport(errorMsg, fileToCellIdAndLine)\n	return nbErr\n}\n"},
	{"internal/goexec/errorpublish.go", "	var nbErr *GonbError\n	if errors.As(err, &nbErr) {\n		return nbErr.Name(), nbErr.Error(), nbErr.Traceback()\n",
		"	if r, ok := reported(err); ok {\n		return r.Name, r.Value, r.Traceback\n"},
	{"internal/goexec/errorpublish.go", "	\"github.com/pkg/errors\"\n", ""},
	{"internal/goexec/execcode.go", "		return exitErr\n", "		return s.exitReport(exitErr, stderrWithAnnotator.(*jupyterStackTraceMapperWriter).tail, fileToCellIdAndLine)\n"},
	{"internal/goexec/execcode.go", "	lineBuffer          bytes.Buffer\n}\n", "	lineBuffer          bytes.Buffer\n	tail                []byte // of what was written\n}\n"},
	{"internal/goexec/execcode.go", "	n := len(p) // Save original number of bytes.\n", "	n := len(p) // Save original number of bytes.\n	w.tail = traceback.Tail(w.tail, p)\n"},
	{"internal/goexec/execcode.go", "import (\n", "import (\n	\"github.com/janpfeifer/gonb/internal/traceback\"\n"},
}

// kernelChanges are about the protocol between Jupyter and its kernel.
var kernelChanges = []change{
	// What is asked on the control channel is answered there.
	{"internal/kernel/messages.go", "	Identities [][]byte\n	kernel     *Kernel\n}\n", "	Identities [][]byte\n	kernel     *Kernel\n	onControl  bool\n}\n"},
	{"internal/kernel/messages.go", "	return m.kernel.sockets.ShellSocket.RunLocked(", "	return m.replySocket().RunLocked("},
	{"internal/kernel/kernel.go", "				msg = k.FromWireMsg(zmqMsg)\n", "				msg = k.fromSocket(zmqMsg, socketName)\n"},
	// kernel_info does not wait for the running cell, and the status is told around it.
	{"internal/dispatcher/dispatcher.go", "	\"kernel_info_request\",\n	//", "	//"},
	{"internal/dispatcher/dispatcher.go", "		case \"is_complete_request\":\n			klog.V(2).Infof(\"Received is_complete_request: ignoring, since it's not a console like kernel.\")\n\n		case \"shutdown_request\":\n",
		"		case \"kernel_info_request\", \"is_complete_request\":\n			err = answerAtOnce(msg)\n\n		case \"shutdown_request\":\n"},
	// Nor do completion and inspection, which say that a cell runs.
	{"internal/dispatcher/dispatcher.go", "	sentStatus := SendNoBlock(busyMessagesChan,", "	if answersWhileRunning(msg) {\n		return answerAtOnce(msg)\n	}\n	sentStatus := SendNoBlock(busyMessagesChan,"},
	{"internal/dispatcher/dispatcher.go", "	if err = kernel.PublishKernelStatus(msg, kernel.StatusBusy); err != nil {\n", "	if err = beginBusy(msg); err != nil {\n"},
	{"internal/dispatcher/dispatcher.go", "		newErr := kernel.PublishKernelStatus(msg, kernel.StatusIdle)\n", "		newErr := endBusy(msg)\n"},
	// Jupyter stores what kernel_info says of the language in the notebook: it is what the notebooks have, whatever Go's version.
	{"internal/kernel/messages.go", "`json:\"version\"`\n	MIMEType ", "`json:\"version,omitempty\"`\n	MIMEType "},
	{"internal/kernel/messages.go", "`json:\"pygments_lexer\"`\n	CodeMirrorMode    string `json:\"codemirror_mode\"`\n	NBConvertExporter string `json:\"nbconvert_exporter\"`\n",
		"`json:\"pygments_lexer,omitempty\"`\n	CodeMirrorMode    string `json:\"codemirror_mode,omitempty\"`\n	NBConvertExporter string `json:\"nbconvert_exporter,omitempty\"`\n"},
	{"internal/kernel/messages.go", "				Version:       runtime.Version(),\n", ""},
	{"internal/kernel/messages.go", "fmt.Sprintf(\"Go kernel: gonb - v%s\", version)", "fmt.Sprintf(\"clipkit: %s in GoNB %s. Statements follow a line of %%%%\", runtime.Version(), version)"},
	// A kernel whose Jupyter was killed, or hung up with its terminal, ends as well; two reasons to end are no panic.
	{"internal/kernel/kernel.go", "	if k.signalsChan == nil {\n", "	k.watchParent()\n	if k.signalsChan == nil {\n"},
	{"internal/kernel/kernel.go", "	close(k.stop)\n	err := ", "	if !k.stopping.CompareAndSwap(false, true) {\n		return\n	}\n	close(k.stop)\n	err := "},
	{"internal/kernel/kernel.go", "	Interrupted atomic.Bool\n", "	Interrupted atomic.Bool\n	stopping    atomic.Bool\n"},
	// The log has no trials and no guesses at each start.
	{"main.go", "	if logWriter != nil {\n", "	if *flagExtraLog != \"\" {\n"},
	{"internal/kernel/kernel.go", "		klog.Warningf(\"Could not parse Jupyter KernelId", "		klog.V(1).Infof(\"Could not parse Jupyter KernelId"},
	{"internal/goexec/goexec.go", "		klog.Warningf(\"Could not find Jupyter root directory, %%wasm", "		klog.V(1).Infof(\"Could not find Jupyter root directory, %%wasm"},
	// Letters outside ASCII in %env and other commands stay what they are.
	{"internal/specialcmd/specialcmd.go", "		part = fmt.Sprintf(\"%s%c\", part, c)\n", "		part += string([]byte{c})\n"},
}

// goplsChanges are about completion and inspection in a cell, by gopls.
var goplsChanges = []change{
	// gopls is started when it is first asked, by then it may have been built; without it a person is told why.
	{"internal/goexec/goexec.go", "	if _, err = exec.LookPath(\"gopls\"); err == nil {\n		s.gopls = goplsclient.New(s.TempDir)\n		err = s.gopls.Start()\n		if err != nil {\n			klog.Errorf(\"Failed to start `gopls`: %v\", err)\n		}\n		klog.V(1).Infof(\"Started `gopls`.\")\n	} else {\n		msg := `\nProgram gopls is not installed. It is used to inspect into code\nand provide contextual information and autocompletion. It is a \nstandard Go toolkit package. You can install it from the notebook\nwith:\n\n` + \"```\" + `\n!go install golang.org/x/tools/gopls@latest\n` + \"```\\n\"\n		klog.Error(msg)\n	}\n", ""},
	{"internal/goexec/inspect.go", "	if s.gopls == nil {\n		// gopls not installed.\n		return make(kernel.MIMEMap), nil\n	}\n",
		"	if why := s.goplsMissing(); why != \"\" {\n		return kernel.MIMEMap{string(protocol.MIMETextPlain): why}, nil\n	}\n"},
	{"internal/goexec/inspect.go", "	if s.gopls == nil {\n		// gopls not installed.\n		return\n	}\n", "	if why := s.goplsMissing(); why != \"\" {\n		reply.Matches = asComments(why)\n		return\n	}\n"},
	// It is asked as soon as it listens, does not hold up cells while it reads the packages, and ends with its kernel, however that ends.
	{"internal/goexec/goplsclient/exec.go", "			case <-time.After(ConnectTimeout):\n", "			case <-time.After(100 * time.Millisecond):\n"},
	{"internal/goexec/goplsclient/exec.go", "		<-time.After(ConnectTimeout)\n		c.mu.Lock()\n", "		<-time.After(100 * time.Millisecond)\n		c.mu.Lock()\n"},
	{"internal/goexec/goplsclient/exec.go", "var StartTimeout = 30 * time.Second\n", "var StartTimeout = 2 * time.Minute\n"},
	{"internal/goexec/goplsclient/conn.go", "	CommunicationTimeout = 8000 * time.Millisecond\n", "	CommunicationTimeout = 10 * time.Second\n"},
	{"internal/goexec/inspect.go", "		err = errors.Cause(err)\n		return\n	}\n	if replaceLength", "		reply.Matches, err = reading(errors.Cause(err))\n		return\n	}\n	if replaceLength"},
	{"internal/goexec/inspect.go", "		parts := []string{errors.Cause(err).Error()}\n		if len(messages) > 0 {\n", "		parts := []string{whyNot(errors.Cause(err))}\n		if len(messages) > 0 && !nothingThere(err) {\n"},
	// Who asks while typing has brackets that are open; where there is nothing to explain, that is no failure.
	{"internal/goexec/inspect.go", "	// Adjust cursor to identifier.\n	cursorInCell := Cursor{cursorLine, cursorCol}\n", "	lines = closed(lines, skipLines)\n	cursorInCell := Cursor{cursorLine, cursorCol}\n"},
	{"internal/goexec/goplsclient/goplsclient.go", "		klog.Errorf(\"c.CallHover empty: %+v\", err)\n", ""},
	{"internal/goexec/goplsclient/goplsclient.go", "		klog.Errorf(\"c.CallHover failed: %+v\", err)\n", "		klog.V(1).Infof(\"c.CallHover failed: %+v\", err)\n"},
	{"internal/goexec/goplsclient/exec.go", "exec.Command(goplsPath, \"-listen\", addr)", "exec.Command(goplsPath, \"-listen\", addr, \"-listen.timeout\", \"1m\")"},
	{"internal/goexec/goplsclient/exec.go", "			klog.Warningf(\"gopls failed with: %+v\", err)\n", "			klog.V(1).Infof(\"gopls ended: %+v\", err)\n"},
	{"internal/goexec/goplsclient/conn.go", "		klog.Errorf(\"gopls jsonrpc2 message delivered to GoNB but not handled: %q\", method)\n", "		return reply(ctx, nil, nil)\n"},
}

// abortChanges, with abort.go and interrupt.go, are those by which a failed, interrupted or uncompilable cell ends "Run all", and an interruption ends a cell whenever
// it comes. They need no other change: GoNB itself could take them (TestAbortIsFitForGoNB; with -patch FILE it writes what git apply takes).
var abortChanges = []change{
	{"internal/dispatcher/dispatcher.go", "	msgType := msg.ComposedMsg().Header.MsgType\n\n	// Tell the front-end that", "	msgType := msg.ComposedMsg().Header.MsgType\n	aborted := isAborted()\n\n	// Tell the front-end that"},
	{"internal/dispatcher/dispatcher.go", "	case \"execute_request\":\n		if err = handleExecuteRequest(", "	case \"execute_request\":\n		if aborted {\n			err = replyAborted(msg)\n		} else if err = handleExecuteRequest("},
	{"internal/dispatcher/dispatcher.go", "	if err := msg.Reply(\"execute_reply\", replyContent); err != nil {\n",
		"	if (executionErr != nil || msg.Kernel().Interrupted.Load()) && !silent && stopsOnError(content) {\n		abortQueue()\n	}\n	if err := msg.Reply(\"execute_reply\", replyContent); err != nil {\n"},
	// An interrupt_request does what SIGINT does.
	{"internal/dispatcher/dispatcher.go", "			klog.V(2).Infof(\"Received interrupt_request.\")\n", "			klog.V(2).Infof(\"Received interrupt_request.\")\n			msg.Kernel().Interrupted.Store(true)\n"},
	// An interruption counts from the cell's beginning: between its shell commands, while it is compiled, before its program listens.
	{"internal/dispatcher/dispatcher.go", "		if executionErr == nil && !msg.Kernel().Interrupted.Load() && hasMoreToRun {\n",
		"		if executionErr == nil && msg.Kernel().Interrupted.Load() {\n			executionErr = goexec.ErrInterrupted\n		} else if executionErr == nil && hasMoreToRun {\n"},
	{"internal/goexec/execcode.go", "	output, err := cmd.CombinedOutput()\n	if err != nil {\n		klog.Errorf(\"Failed %q:", "	output, err := combinedOutput(msg, cmd)\n	if errors.Is(err, ErrInterrupted) {\n		return err\n	}\n	if err != nil {\n		klog.Errorf(\"Failed %q:"},
	{"internal/jpyexec/jpyexec.go", "	var interruptId kernel.SubscriptionId\n", "	var once sync.Once\n	var interruptId kernel.SubscriptionId\n"},
	{"internal/jpyexec/jpyexec.go", "		err := cmd.Process.Signal(os.Interrupt)\n		exec.Msg.Kernel().UnsubscribeInterrupt(interruptId)\n",
		"		var err error\n		once.Do(func() { err = cmd.Process.Signal(os.Interrupt) })\n		exec.Msg.Kernel().UnsubscribeInterrupt(id)\n"},
	{"internal/jpyexec/jpyexec.go", "	if exec.stdinContent != nil {\n		exec.handleStaticInput()\n",
		"	if exec.Msg.Kernel().Interrupted.Load() { // since before the subscription\n		exec.Msg.Kernel().CallInterruptSubscribers()\n	}\n\n	if exec.stdinContent != nil {\n		exec.handleStaticInput()\n"},
}

// Source files that are added to GoNB's.
var (
	//go:embed gonb/abort.go.txt
	abortSource []byte
	//go:embed gonb/interrupt.go.txt
	interruptSource []byte
	//go:embed gonb/stdin.go.txt
	stdinSource []byte
	//go:embed traceback/traceback.go
	tracebackSource []byte
	//go:embed gonb/goexec.go.txt
	goexecSource []byte
	//go:embed gonb/gopls.go.txt
	goplsSource []byte
	//go:embed bracket/bracket.go
	bracketSource []byte
	//go:embed gonb/kernel.go.txt
	kernelSource []byte
	//go:embed gonb/dispatcher.go.txt
	dispatcherSource []byte
)

var additions = map[string][]byte{
	"internal/dispatcher/abort.go": abortSource, "internal/goexec/interrupt.go": interruptSource,
	"internal/jpyexec/clipkit.go": stdinSource, "internal/traceback/traceback.go": tracebackSource, "internal/goexec/clipkit.go": goexecSource, "internal/goexec/clipkit_gopls.go": goplsSource,
	"internal/bracket/bracket.go": bracketSource, "internal/kernel/clipkit.go": kernelSource, "internal/dispatcher/clipkit.go": dispatcherSource,
}

// changed tells one set of changes from another.
func changed() string {
	h := sha256.New()
	for _, c := range changes {
		fmt.Fprintf(h, "%q\n", c)
	}
	for _, name := range slices.Sorted(maps.Keys(additions)) {
		fmt.Fprintf(h, "%s %q\n", name, additions[name])
	}
	return fmt.Sprintf("changes %.8x\n", h.Sum(nil))
}
