package command_test

import (
	"context"
	"fmt"

	"github.com/devserve/devserve/command"
)

// What a watcher has seen is passed to Changed; requests wait with Wait. Here all is over once a generator has ended.
func ExampleGroup() {
	ctx, cancel := context.WithCancel(context.Background())
	group, err := command.New([]command.Spec{
		{Name: "version", Line: "go version", Generator: true},
	}, command.Options{
		OnState: func(s command.State) {
			fmt.Println(s.Name, s.Phase)
			if s.Phase == command.Ready {
				cancel()
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := group.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// version building
	// version ready
	// version stopped
}
