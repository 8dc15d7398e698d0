"""What the conventions need to know of the streams of support prompts: see `examples_of_resources`."""

# A ticket is sealed, not kept: to make one changes nothing.
CHANGES_NOTHING = {"create_my_stream_ticket", "create_team_stream_ticket"}
