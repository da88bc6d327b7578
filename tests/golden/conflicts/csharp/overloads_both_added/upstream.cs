class Log
{
    public void Write(string text)
    {
        writer.WriteLine(text);
    }

    public void Write(int number)
    {
        writer.WriteLine("#" + number);
    }
}
