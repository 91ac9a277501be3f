package main

import (
	"log"
	"os"

	"github.com/fsnotify/fsnotify"
)

// openVolumes makes every new folder in dir writable for all, as the storage of
// real clusters is for a pod's user (by fsGroup or by mode 0777). The host-path
// provisioner of the controller manager makes them for root alone (0750), see
// pkg/volume/hostpath in Kubernetes. It returns when dir cannot be watched.
func openVolumes(dir string) {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(dir)
	}
	if err != nil {
		log.Printf("volumes in %s are for root alone: %v", dir, err)
		return
	}
	for event := range watcher.Events {
		if event.Has(fsnotify.Create) {
			if err := os.Chmod(event.Name, 0o777); err != nil {
				log.Printf("volume %s is for root alone: %v", event.Name, err)
			}
		}
	}
}
