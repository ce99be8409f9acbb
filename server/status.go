package server

// status is what the status endpoint tells beside what the hub knows.
func (s *Server) status() map[string]any {
	status := map[string]any{"watch": s.watcher.Status()}
	if s.commands == nil {
		return status
	}
	commands := []map[string]any{}
	for _, c := range s.commands.group.States() {
		commands = append(commands, map[string]any{
			"name": c.Name, "phase": c.Phase.String(), "reason": c.Reason, "generator": c.Generator, "serving": c.Serving,
		})
	}
	status["commands"] = commands
	return status
}
