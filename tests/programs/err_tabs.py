# Tabs and spaces mixed so that their meaning would depend on the tab size.
# raises: TabError
if True:
        x = 1
	y = 2
