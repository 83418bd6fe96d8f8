"""The door for providers and recipients: callbacks, one-click unsubscribe, health."""
