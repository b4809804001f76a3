"""Quality of completion: answers judged at positions and passages of real files."""
