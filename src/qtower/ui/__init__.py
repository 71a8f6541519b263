"""The screen: a Textual app that holds rows and draws them. Jobs it knows by the agent."""
