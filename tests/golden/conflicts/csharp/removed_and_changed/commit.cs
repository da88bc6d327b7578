class Log
{
    public void Write(string text)
    {
        writer.WriteLine(text.Trim());
    }
}
